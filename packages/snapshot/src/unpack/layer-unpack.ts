import { type BytePath, type ByteStream, comparePaths, parentPath, ROOT } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import { type ContentRef, diffTrees, type Entry, type FileTree } from "@varve/layer";
import type { DiffID, IOOptions } from "@varve/oci";
import { encodeWriteEntry, inLargePieces, type WriteEntry, writeEntryOf } from "./write-entry.ts";

/** Opens the uncompressed tar of a layer. */
export type TarOpener = (diffID: DiffID, options?: IOOptions) => Promise<ByteStream>;

/**
 * The write stream of what an overlay's lower directory must hold to turn `base` into `next`: changed entries, their parents, and whiteouts.
 * Contents are read from the layers' tars, each once and in its order.
 */
export function layerWriteStream(base: FileTree, next: FileTree, openTar: TarOpener, options: IOOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
  return inLargePieces(layerEntries(base, next, openTar, options));
}

async function* layerEntries(base: FileTree, next: FileTree, openTar: TarOpener, options: IOOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
  const entries = new Map<BytePath, Entry>();
  const whiteouts: BytePath[] = [];
  const changed: Entry[] = [];
  for (const change of diffTrees(base, next).changes) {
    if (change.kind === "deleted") whiteouts.push(change.path);
    else {
      entries.set(change.path, change.entry);
      changed.push(change.entry);
    }
  }
  for (const entry of otherNames(next, changed)) entries.set(entry.path, entry);
  for (const path of [...entries.keys(), ...whiteouts, ROOT]) addWithParents(entries, next, path);
  yield* writeStream([...entries.values()], openTar, options);
  for (const path of whiteouts) yield encodeWriteEntry({ path, type: "whiteout", mode: 0, uid: 0, gid: 0, mtime: 0, size: 0 });
}

/** The write stream of these entries; a file's further names become hardlinks. `entries` may come in any order. */
async function* writeStream(entries: readonly Entry[], openTar: TarOpener, options: IOOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
  const sorted = [...entries].sort((a, b) => comparePaths(a.path, b.path));
  const first = new Map<number, BytePath>();
  const later: WriteEntry[] = [];
  const contents = new Map<DiffID, { readonly entry: Entry; readonly ref: ContentRef & { readonly kind: "layer" } }[]>();
  const plain: Entry[] = [];
  for (const entry of sorted) {
    if (entry.type === "directory") yield encodeWriteEntry(writeEntryOf(entry));
    else if (first.has(entry.node)) later.push({ ...writeEntryOf(entry), type: "hardlink", size: 0, target: first.get(entry.node) ?? ROOT });
    else {
      first.set(entry.node, entry.path);
      if (entry.type !== "file") later.push(writeEntryOf(entry));
      else if (entry.content?.kind === "layer" && entry.size > 0) {
        const { diffID } = entry.content;
        const known = contents.get(diffID);
        if (known === undefined) contents.set(diffID, [{ entry, ref: entry.content }]);
        else known.push({ entry, ref: entry.content });
      } else plain.push(entry);
    }
  }
  for (const entry of plain) {
    yield encodeWriteEntry(writeEntryOf(entry));
    if (entry.size === 0) continue;
    if (entry.content?.kind !== "bytes") throw new VarveError("SNAPSHOT_APPLY_FAILED", `the content of ${entry.path} is in no layer`);
    yield entry.content.bytes;
  }
  for (const [diffID, files] of contents) yield* fromTar(await openTar(diffID, options), files);
  for (const entry of later) yield encodeWriteEntry(entry);
}

/**
 * Files of one tar, cut out at the offsets the index knows. The tar is read to its end, since only then its source has verified it. A
 * content that several entries refer to is kept for all of them.
 */
async function* fromTar(
  tar: ByteStream,
  files: readonly { readonly entry: Entry; readonly ref: { readonly offset: number } }[],
): AsyncGenerator<Uint8Array, void, undefined> {
  const wanted = [...groupByOffset(files)].sort(([a], [b]) => a - b);
  let next = 0;
  let position = 0;
  let kept: Uint8Array[] = [];
  for await (const chunk of tar) {
    let at = 0;
    for (let file = wanted[next]; file !== undefined; file = wanted[next]) {
      const [offset, entries] = file;
      const [first] = entries;
      if (first === undefined || offset >= position + chunk.length) break;
      const start = Math.max(offset - position, at);
      if (position + start === offset) yield encodeWriteEntry(writeEntryOf(first));
      const end = Math.min(offset + first.size - position, chunk.length);
      const piece = chunk.subarray(start, end);
      at = end;
      yield piece;
      if (entries.length > 1) kept.push(piece);
      if (position + end < offset + first.size) break;
      for (const entry of entries.slice(1)) {
        yield encodeWriteEntry(writeEntryOf(entry));
        yield* kept;
      }
      kept = [];
      next++;
    }
    position += chunk.length;
  }
  if (next < wanted.length)
    throw new VarveError("SNAPSHOT_APPLY_FAILED", "a layer's tar lacks contents its index names", {
      hint: "the stored index belongs to other bytes; prune the layer and build again",
    });
}

function groupByOffset(files: readonly { readonly entry: Entry; readonly ref: { readonly offset: number } }[]): Map<number, Entry[]> {
  const groups = new Map<number, Entry[]>();
  for (const { entry, ref } of files) {
    const known = groups.get(ref.offset);
    if (known === undefined) groups.set(ref.offset, [entry]);
    else known.push(entry);
  }
  return groups;
}

/** Names in `tree` of the files among `changed` that are not in `changed` themselves: hardlinks into lower layers need all of them. */
function otherNames(tree: FileTree, changed: readonly Entry[]): Entry[] {
  const nodes = new Map<number, number>();
  for (const entry of changed) if (entry.type !== "directory") nodes.set(entry.node, (nodes.get(entry.node) ?? 0) + 1);
  const paths = new Set(changed.map((entry) => entry.path));
  const others: Entry[] = [];
  if (nodes.size === 0) return others;
  for (const entry of tree.walk()) if (entry.type !== "directory" && nodes.has(entry.node) && !paths.has(entry.path)) others.push(entry);
  return others;
}

function addWithParents(entries: Map<BytePath, Entry>, tree: FileTree, path: BytePath): void {
  for (let parent = path; ; parent = parentPath(parent)) {
    if (!entries.has(parent)) {
      const entry = tree.lookup(parent);
      if (entry !== undefined) entries.set(parent, entry);
    }
    if (parent === ROOT) return;
  }
}
