import { createHash } from "node:crypto";
import { type BytePath, ROOT, toBytePath } from "@varve/bytes";
import { gitTree, httpFile, type OwningReader, parseGitReference } from "@varve/context";
import { VarveError } from "@varve/errors";
import type { Entry, FileTree } from "@varve/layer";
import { type Digest, digestFromHex } from "@varve/oci";
import type { TransferSource, TransferVertex } from "@varve/plan";
import { digestSelection } from "../copy/selection-digest.ts";
import { type Selected, selectSource } from "../copy/selection.ts";
import type { StepScope, VertexResult } from "./execution.ts";
import { selectContent } from "./selected-content.ts";

/** One source of a COPY or ADD, selected and digested. */
export interface TransferInput extends AsyncDisposable {
  selected(): Promise<readonly Selected[]>;
  /** Whether files of it are extracted when they are archives. */
  readonly unpack: boolean;
  /** Readers of contents that no layer holds. */
  readonly readers: readonly OwningReader[];
  /** Of all that is read of it. */
  readonly digest: Digest;
}

const NOTHING = (): Promise<void> => Promise.resolve();

/** Opens one source: selects from a tree, downloads, clones, or takes the heredoc at hand. The caller disposes. */
export async function openTransferSource(scope: StepScope, vertex: TransferVertex, source: TransferSource, from: VertexResult): Promise<TransferInput> {
  switch (source.kind) {
    case "path":
      return pathInput(scope, vertex, source.pattern, from);
    case "inline":
      return inlineInput(scope, source.name, source.content);
    case "http":
      return httpInput(scope, vertex, source);
    case "git":
      return gitInput(scope, vertex, source);
  }
}

async function pathInput(scope: StepScope, vertex: TransferVertex, pattern: string, from: VertexResult): Promise<TransferInput> {
  const unpack = vertex.unpack ?? vertex.kind === "add";
  const { digest, selected } = await selectContent(scope, from, pattern, { parents: vertex.parents, exclude: vertex.exclude, owner: isUnset(vertex.chown) });
  const readers = from.kind === "context" ? [from.context.reader] : [];
  return { selected, unpack, readers, digest: unpack ? combined("unpack", digest) : digest, [Symbol.asyncDispose]: NOTHING };
}

function inlineInput(scope: StepScope, name: string, content: string): TransferInput {
  const bytes = new TextEncoder().encode(content);
  const entry: Entry = {
    path: toBytePath(name),
    type: "file",
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtime: Math.floor(scope.execution.now / 1000),
    size: bytes.length,
    node: 0,
    content: { kind: "bytes", bytes, size: bytes.length },
  };
  const digest = combined("inline", name, content);
  return {
    selected: () => Promise.resolve([single(toBytePath(name.slice(name.lastIndexOf("/") + 1)), entry)]),
    unpack: false,
    readers: [],
    digest,
    [Symbol.asyncDispose]: NOTHING,
  };
}

async function httpInput(scope: StepScope, vertex: TransferVertex, source: Extract<TransferSource, { kind: "http" }>): Promise<TransferInput> {
  const { spool, signal, remotes } = scope.execution;
  const file = await httpFile(source.url, { directory: spool, signal, memory: remotes, checksum: source.checksum ?? vertex.checksum });
  const selected = [single(file.entry.path, { ...file.entry, node: 0 })];
  const unpack = vertex.unpack ?? false;
  const digest = await digestSelection(selected, file.reader, { owner: isUnset(vertex.chown), signal });
  return {
    selected: () => Promise.resolve(selected),
    unpack,
    readers: [file.reader],
    digest: unpack ? combined("unpack", digest) : digest,
    [Symbol.asyncDispose]: async () => file[Symbol.asyncDispose](),
  };
}

async function gitInput(scope: StepScope, vertex: TransferVertex, source: Extract<TransferSource, { kind: "git" }>): Promise<TransferInput> {
  const reference = parseGitReference(source.url);
  if (reference === undefined) throw new VarveError("BUILD_UNSUPPORTED", `git source ${JSON.stringify(source.url)} is not understood`);
  const { spool, signal } = scope.execution;
  const checkout = await gitTree(reference, { directory: spool, signal, keepGitDir: source.keepGitDir, checksum: source.checksum ?? vertex.checksum });
  const selected = selectAll(checkout.tree, vertex);
  const digest = source.keepGitDir
    ? combined("git", source.url, checkout.commit)
    : await digestSelection(selected, checkout.reader, { owner: isUnset(vertex.chown), signal });
  return {
    selected: () => Promise.resolve(selected),
    unpack: false,
    readers: [checkout.reader],
    digest,
    [Symbol.asyncDispose]: async () => checkout[Symbol.asyncDispose](),
  };
}

function selectAll(tree: FileTree, vertex: TransferVertex): readonly Selected[] {
  return selectSource(tree, "/", { parents: false, exclude: vertex.exclude });
}

function single(name: BytePath, entry: Entry): Selected {
  return {
    name,
    root: entry,
    *entries() {
      yield { relative: ROOT, entry, partial: false };
    },
    isLinked: () => false,
  };
}

function isUnset(value: string | undefined): boolean {
  return value === undefined || value === "";
}

/** sha256 of texts, each with its length before it. */
function combined(...texts: readonly string[]): Digest {
  const hash = createHash("sha256");
  for (const text of texts) hash.update(`${Buffer.byteLength(text)}:${text}`);
  return digestFromHex(hash.digest("hex"));
}
