import { type BytePath, ROOT, toBytePath } from "@varve/bytes";
import { httpFile } from "@varve/context";
import { isVarveError } from "@varve/errors";
import type { Entry } from "@varve/layer";
import type { Digest } from "@varve/oci";
import type { TransferSource, TransferVertex } from "@varve/plan";
import { digestSelection } from "../copy/selection-digest.ts";
import type { Selected } from "../copy/selection.ts";
import { atSource } from "../source-error.ts";
import type { CopyReplay } from "./copy-replay.ts";
import type { StepScope, VertexResult } from "./execution.ts";
import { MADE_TIME } from "./made-time.ts";
import { combined, isUnset, type TransferInput } from "./transfer-input.ts";
import { gitInput } from "./git-source.ts";
import { selectContent } from "./selected-content.ts";

const NOTHING = (): Promise<void> => Promise.resolve();

/** Opens one source: selects from a tree, downloads, clones, or takes the heredoc at hand. The caller disposes. */
export async function openTransferSource(
  scope: StepScope,
  vertex: TransferVertex,
  source: TransferSource,
  { from, replay }: { readonly from: VertexResult; readonly replay: CopyReplay | undefined },
): Promise<TransferInput> {
  switch (source.kind) {
    case "path":
      return pathInput(scope, vertex, source, { from, replay });
    case "inline":
      return inlineInput(source.name, source.content);
    case "http":
      return httpInput(scope, vertex, source);
    case "git":
      return gitInput(scope, vertex, source);
  }
}

type PathSource = Extract<TransferSource, { readonly kind: "path" }>;

async function pathInput(
  scope: StepScope,
  vertex: TransferVertex,
  { pattern, range }: PathSource,
  { from, replay }: { readonly from: VertexResult; readonly replay: CopyReplay | undefined },
): Promise<TransferInput> {
  const unpack = vertex.unpack ?? vertex.kind === "add";
  const content = selectContent(scope, from, pattern, {
    parents: vertex.parents,
    exclude: vertex.exclude,
    owner: isUnset(vertex.chown),
    replay: replay?.digest,
  });
  const readers = from.kind === "context" ? [from.context.reader] : [];
  const pointing =
    <T>(work: () => Promise<T>) =>
    (): Promise<T> =>
      work().catch((error: unknown) => {
        // the one word of several that is not there
        throw isVarveError(error, "BUILD_COPY_SOURCE_NOT_FOUND") ? atSource(error, scope.dockerfile, range) : error;
      });
  const digest = pointing(content.digest);
  const find = unpack ? async (): Promise<Digest> => combined("unpack", await digest()) : digest;
  return { selected: pointing(content.selected), unpack, readers, digest: find, [Symbol.asyncDispose]: NOTHING };
}

function inlineInput(name: string, content: string): TransferInput {
  const bytes = new TextEncoder().encode(content);
  const entry: Entry = {
    path: toBytePath(name),
    type: "file",
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtime: MADE_TIME,
    size: bytes.length,
    node: 0,
    content: { kind: "bytes", bytes, size: bytes.length },
  };
  const digest = combined("inline", name, content);
  return {
    selected: () => Promise.resolve([single(toBytePath(name.slice(name.lastIndexOf("/") + 1)), entry)]),
    unpack: false,
    readers: [],
    digest: () => Promise.resolve(digest),
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
    digest: () => Promise.resolve(unpack ? combined("unpack", digest) : digest),
    [Symbol.asyncDispose]: async () => file[Symbol.asyncDispose](),
  };
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
