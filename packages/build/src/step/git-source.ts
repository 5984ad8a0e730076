import { type GitTree, gitTree, type OwningReader, resolveGitCommit } from "@varve/context";
import { parseGitReference } from "@varve/dockerfile";
import { VarveError } from "@varve/errors";
import { type Digest, isDigest } from "@varve/oci";
import type { TransferSource, TransferVertex } from "@varve/plan";
import { digestSelection } from "../copy/selection-digest.ts";
import { type Selected, selectSource } from "../copy/selection.ts";
import type { StepScope } from "./execution.ts";
import { combined, isUnset, type TransferInput } from "./transfer-input.ts";

type GitSource = Extract<TransferSource, { kind: "git" }>;

/** Changes when an equal commit would get another digest than before. */
const DIGEST_FORM = "1";

/** ADD of a repository. One whose commit was added before is fetched only when it must be read: a commit never changes. */
export async function gitInput(scope: StepScope, vertex: TransferVertex, source: GitSource): Promise<TransferInput> {
  const reference = parseGitReference(source.url, { known: true });
  if (reference === undefined) throw new VarveError("BUILD_UNSUPPORTED", `git source ${JSON.stringify(source.url)} is not understood`);
  const { spool, signal, remotes } = scope.execution;
  const checksum = source.checksum ?? "";
  const owner = isUnset(vertex.chown);
  const nameOf = (commit: string): string =>
    JSON.stringify([
      "git",
      DIGEST_FORM,
      reference.remote,
      reference.subdirectory ?? "",
      ...(reference.submodules === false ? ["no submodules"] : []),
      commit,
      source.keepGitDir,
      source.keepGitDir ? source.url : "",
      vertex.exclude,
      owner,
    ]);
  const commit = await resolveGitCommit(reference, { signal });
  // another commit than the checksum's is what fetching it says
  const remembered = commit === undefined || !commit.startsWith(checksum) ? undefined : await remotes.recall(nameOf(commit));
  const known = typeof remembered === "string" && isDigest(remembered) ? remembered : undefined;
  const checkout = createCheckout(async () =>
    gitTree(reference, { directory: spool, signal, keepGitDir: source.keepGitDir, checksum, expected: known === undefined ? undefined : commit }),
  );
  const selected = async (): Promise<readonly Selected[]> => selectSource((await checkout.open()).tree, "/", { parents: false, exclude: vertex.exclude });
  const find = async (): Promise<Digest> => {
    const tree = await checkout.open();
    const digest = source.keepGitDir ? combined("git", source.url, tree.commit) : await digestSelection(await selected(), tree.reader, { owner, signal });
    await remotes.remember(nameOf(tree.commit), digest);
    return digest;
  };
  try {
    const digest = known ?? (await find());
    return { selected, unpack: false, readers: [checkout.reader], digest: () => Promise.resolve(digest), [Symbol.asyncDispose]: () => checkout.close() };
  } catch (error) {
    await checkout.close();
    throw error;
  }
}

interface Checkout {
  open(): Promise<GitTree>;
  /** Reads what `open` gave. */
  readonly reader: OwningReader;
  close(): Promise<void>;
}

/** A checkout that is made when first asked for. */
function createCheckout(fetch: () => Promise<GitTree>): Checkout {
  let fetching: Promise<GitTree> | undefined;
  let fetched: GitTree | undefined;
  const open = async (): Promise<GitTree> => (fetched = await (fetching ??= fetch()));
  return {
    open,
    reader: {
      owns: (ref) => fetched?.reader.owns(ref) === true,
      open: async (ref, io) => (await open()).reader.open(ref, io),
      digest: async (ref, io) => (await open()).reader.digest(ref, io),
    },
    close: async () => fetched?.[Symbol.asyncDispose](),
  };
}
