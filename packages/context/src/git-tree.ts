import { mkdir, mkdtemp, readdir, realpath, rm, stat } from "node:fs/promises";
import { join, sep } from "node:path";
import { cleanPath, displayPath, toBytePath } from "@varve/bytes";
import type { GitReference } from "@varve/dockerfile";
import { isVarveError, VarveError } from "@varve/errors";
import type { Entry, FileTree } from "@varve/layer";
import type { IOOptions } from "@varve/oci";
import type { OwningReader } from "./context.ts";
import { createDiskReader } from "./disk-reader.ts";
import { walkDirectory } from "./directory-walk.ts";
import { runGit } from "./git-command.ts";
import { isCommit, resolveGitCommit } from "./git-commit.ts";

/** A checkout, until it is disposed. */
export interface GitTree extends AsyncDisposable {
  /** Modes 0644 and 0755, mtimes of the commit, owners 0:0. */
  readonly tree: FileTree;
  readonly reader: OwningReader;
  /** Full id of the commit. */
  readonly commit: string;
  /** When it was committed, in seconds since the epoch. */
  readonly time: number;
  /** Host path of the checkout (of the folder, when one was named). */
  readonly path: string;
}

/** How a repository is fetched. */
export interface GitTreeOptions extends IOOptions {
  readonly keepGitDir?: boolean;
  /** The commit the reference must stand for, in full or shortened; the reference's own when absent. */
  readonly checksum?: string | undefined;
  /** The commit that {@link resolveGitCommit} gave: CONTEXT_CHANGED when it is another by now. */
  readonly expected?: string | undefined;
  /** Where the checkout is kept meanwhile. */
  readonly directory: string;
}

const PREFIX = "git-";
const SHALLOW = "--depth=1";
/** A day, in milliseconds. */
const STALE = 24 * 60 * 60 * 1000;

/** Fetches one commit, and its submodules, with the `git` program. Throws CONTEXT_GIT_FAILED, CONTEXT_CHECKSUM_MISMATCH and CONTEXT_CHANGED. */
export async function gitTree(reference: GitReference, options: GitTreeOptions): Promise<GitTree> {
  await mkdir(options.directory, { recursive: true, mode: 0o700 });
  await sweep(options.directory);
  const checkout = await realpath(await mkdtemp(join(options.directory, PREFIX)));
  const remove = (): Promise<void> => rm(checkout, { recursive: true, force: true });
  try {
    const commit = await fetchCommit(checkout, reference, options.signal);
    const checksum = options.checksum ?? reference.checksum ?? "";
    if (!commit.startsWith(checksum)) {
      throw new VarveError("CONTEXT_CHECKSUM_MISMATCH", `${reference.remote} is at commit ${commit}`, { hint: `expected ${checksum}` });
    }
    if (options.expected !== undefined && commit !== options.expected)
      throw new VarveError("CONTEXT_CHANGED", `${reference.remote} changed while the build was reading it`, { hint: "build again" });
    const time = Number(await git(checkout, ["show", "-s", "--format=%ct", "HEAD"], options.signal));
    if (options.keepGitDir !== true) await rm(join(checkout, ".git"), { recursive: true, force: true });
    const path = await findFolder(checkout, reference);
    const tree = await walkDirectory(path, { signal: options.signal, adjust: (entry) => normalise(entry, time) });
    return { tree, reader: createDiskReader(path), commit, time, path, [Symbol.asyncDispose]: remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** The folder that is meant: one of the checkout, whatever links the repository holds. */
async function findFolder(checkout: string, { remote, subdirectory = "" }: GitReference): Promise<string> {
  const path = join(checkout, displayPath(cleanPath(toBytePath(subdirectory))));
  const found = await realpath(path).catch(() => undefined);
  const inside = found !== undefined && `${found}${sep}`.startsWith(`${checkout}${sep}`);
  if (inside && (await stat(found)).isDirectory()) return found;
  throw new VarveError("CONTEXT_GIT_FAILED", `${remote} has no folder ${JSON.stringify(subdirectory)}`, {
    hint: "what stands after the colon, or after subdir=, is a folder of the repository",
  });
}

/** What builds that were killed have left; one that still runs is younger. */
async function sweep(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (!name.startsWith(PREFIX)) continue;
    const path = join(directory, name);
    const age = await stat(path).then(
      ({ mtimeMs }) => Date.now() - mtimeMs,
      () => 0,
    );
    if (age > STALE) await rm(path, { recursive: true, force: true });
  }
}

function normalise(entry: Omit<Entry, "node">, mtime: number): Omit<Entry, "node"> {
  const mode = entry.type === "symlink" ? 0o777 : entry.type === "directory" || (entry.mode & 0o100) !== 0 ? 0o755 : 0o644;
  return { ...entry, mode, mtime };
}

async function fetchCommit(checkout: string, reference: GitReference, signal: AbortSignal | undefined): Promise<string> {
  const ref = reference.ref ?? "HEAD";
  await git(checkout, ["init", "--quiet", "--template="], signal);
  await git(checkout, ["remote", "add", "--", "origin", reference.remote], signal);
  const shallow = await git(checkout, ["fetch", "--quiet", SHALLOW, "--no-tags", "origin", "--", ref], signal).then(
    () => true,
    () => false,
  );
  if (!shallow) await git(checkout, ["fetch", "--quiet", "--tags", "origin", "+refs/heads/*:refs/remotes/origin/*"], signal);
  const wanted = shallow ? "FETCH_HEAD" : ((await resolveGitCommit(reference, { signal })) ?? (await resolveRef(checkout, reference, signal)));
  await git(checkout, ["-c", "advice.detachedHead=false", "checkout", "--quiet", "--detach", wanted], signal);
  if (reference.submodules !== false) await git(checkout, ["submodule", "--quiet", "update", "--init", "--recursive", SHALLOW], signal);
  return git(checkout, ["rev-parse", "HEAD"], signal);
}

/** For what a server doesn't give by name: commits; shortened ones only where the URL says that it is one, as in BuildKit. */
async function resolveRef(checkout: string, { ref = "HEAD", checksum }: GitReference, signal: AbortSignal | undefined): Promise<string> {
  const names = [`refs/remotes/origin/${ref}`, `refs/tags/${ref}`, ...(isCommit(ref) || ref === checksum ? [ref] : [])];
  for (const name of names) {
    const found = await git(checkout, ["rev-parse", "--verify", "--quiet", `${name}^{commit}`], signal).catch(() => undefined);
    if (found !== undefined) return found;
  }
  const hint = /^[0-9a-f]{4,39}$/.test(ref) ? "a shortened commit is given as ?commit=…, or written in full" : "check the name of the branch or tag";
  throw new VarveError("CONTEXT_GIT_FAILED", `the repository has no ref ${JSON.stringify(ref)}`, { hint });
}

/** Runs git in a checkout; without `--depth` again where the server is a plain web server, which gives nothing but the whole history. */
async function git(directory: string, args: readonly string[], signal: AbortSignal | undefined): Promise<string> {
  const run = (given: readonly string[]): Promise<string> =>
    runGit(["-C", directory, ...given], { env: { GIT_DIR: join(directory, ".git"), GIT_WORK_TREE: directory }, signal });
  try {
    return await run(args);
  } catch (error) {
    if (!args.includes(SHALLOW) || !isVarveError(error, "CONTEXT_GIT_FAILED") || !(error.details ?? []).some((line) => line.includes("shallow"))) throw error;
    return run(args.filter((arg) => arg !== SHALLOW));
  }
}
