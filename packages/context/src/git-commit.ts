import type { GitReference } from "@varve/dockerfile";
import { isVarveError } from "@varve/errors";
import type { IOOptions } from "@varve/oci";
import { runGit } from "./git-command.ts";

const COMMIT = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

/** Whether a ref is a whole commit id. */
export function isCommit(ref: string): boolean {
  return COMMIT.test(ref);
}

/**
 * The commit a reference stands for at this moment, asked of the remote without fetching anything; nothing is asked for a whole commit id.
 * `undefined` where only a fetch can tell (a shortened id), or where the remote doesn't answer.
 */
export async function resolveGitCommit(reference: GitReference, options: IOOptions = {}): Promise<string | undefined> {
  const { ref = "HEAD", remote } = reference;
  if (COMMIT.test(ref)) return ref;
  // `^{}` is what an annotated tag stands for
  const listed = await runGit(["ls-remote", "--", remote, ref, `${ref}^{}`], options).catch((error: unknown) => {
    // the fetch that follows will say why
    if (isVarveError(error, "CONTEXT_GIT_FAILED")) return "";
    throw error;
  });
  const commits = new Map(
    listed
      .split("\n")
      .map((line) => line.split("\t", 2))
      .map(([commit = "", name = ""]) => [name, commit]),
  );
  // the order in which git itself looks for a name (gitrevisions(7))
  for (const name of [ref, `refs/${ref}`, `refs/tags/${ref}`, `refs/heads/${ref}`]) {
    const commit = commits.get(`${name}^{}`) ?? commits.get(name);
    if (commit !== undefined && COMMIT.test(commit)) return commit;
  }
  return undefined;
}
