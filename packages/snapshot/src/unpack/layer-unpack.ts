import { type BytePath, type ByteStream, comparePaths, parentPath, ROOT } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import { type Change, type ContentRef, diffTrees, type Entry, type FileTree, withParents } from "@varve/layer";
import type { DiffID, IOOptions } from "@varve/oci";
import { encodeWriteEntry, inLargePieces, writeEntryOf } from "./write-entry.ts";

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
  const changes = withParents(next, diffTrees(base, next));
  const others = otherEntries(next, changes.changes);
  // gone through several times: a layer may have a million entries, which are made anew each time
  const entries = (): Generator<Entry, void, undefined> => inOrder(changes.changes, others);
  const names = firstNames(next, entries());
  const isFurther = (entry: Entry): boolean => (names.get(entry.node) ?? entry.path) !== entry.path;
  const contents = new Map<DiffID, TarFiles>();
  for (const entry of entries()) if (entry.type === "directory") yield encodeWriteEntry(writeEntryOf(entry));
  for (const entry of entries()) {
    if (entry.type !== "file" || isFurther(entry)) continue;
    if (entry.content?.kind === "layer" && entry.size > 0) addFile(contents, entry.content, entry.path);
    else yield* plainFile(entry);
  }
  for (const [diffID, files] of contents) yield* fromTar(await openTar(diffID, options), files, next);
  for (const entry of entries()) {
    if (entry.type === "directory") continue;
    if (isFurther(entry)) yield encodeWriteEntry({ ...writeEntryOf(entry), type: "hardlink", size: 0, target: names.get(entry.node) ?? ROOT });
    else if (entry.type !== "file") yield encodeWriteEntry(writeEntryOf(entry));
  }
  for (const change of changes.changes) {
    if (change.kind === "deleted") yield encodeWriteEntry({ path: change.path, type: "whiteout", mode: 0, uid: 0, gid: 0, mtime: 0, size: 0 });
  }
}

function* plainFile(entry: Entry): Generator<Uint8Array, void, undefined> {
  yield encodeWriteEntry(writeEntryOf(entry));
  if (entry.size === 0) return;
  if (entry.content?.kind !== "bytes") throw new VarveError("SNAPSHOT_APPLY_FAILED", `the content of ${entry.path} is in no layer`);
  yield entry.content.bytes;
}

/** Of each file with several names the one that is written first. */
function firstNames(tree: FileTree, entries: Iterable<Entry>): ReadonlyMap<number, BytePath> {
  const names = new Map<number, BytePath>();
  for (const entry of entries) if (entry.type !== "directory" && tree.isLinked(entry.node) && !names.has(entry.node)) names.set(entry.node, entry.path);
  return names;
}

/** Entries of both, sorted as a walk; `others` are. */
function* inOrder(changes: Iterable<Change>, others: readonly Entry[]): Generator<Entry, void, undefined> {
  let at = 0;
  for (const change of changes) {
    if (change.kind === "deleted") continue;
    for (let other = others[at]; other !== undefined && comparePaths(other.path, change.path) <= 0; other = others[++at])
      if (other.path !== change.path) yield other;
    yield change.entry;
  }
  yield* others.slice(at);
}

/** Files of one tar: where each begins, and what it is called. */
interface TarFiles {
  readonly offsets: number[];
  readonly paths: BytePath[];
}

function addFile(contents: Map<DiffID, TarFiles>, { diffID, offset }: ContentRef & { readonly kind: "layer" }, path: BytePath): void {
  const known = contents.get(diffID) ?? { offsets: [], paths: [] };
  contents.set(diffID, known);
  known.offsets.push(offset);
  known.paths.push(path);
}

/**
 * Files of one tar, cut out at the offsets the index knows. The tar is read to its end, since only then its source has verified it. A
 * content that several entries refer to is kept for all of them.
 */
async function* fromTar(tar: ByteStream, { offsets, paths }: TarFiles, tree: FileTree): AsyncGenerator<Uint8Array, void, undefined> {
  const order = Uint32Array.from(offsets, (_, i) => i).sort((a, b) => (offsets[a] ?? 0) - (offsets[b] ?? 0) || a - b);
  let next = 0;
  let position = 0;
  let kept: Uint8Array[] = [];
  for await (const chunk of tar) {
    let at = 0;
    while (next < order.length) {
      const offset = offsets[order[next] ?? 0] ?? 0;
      if (offset >= position + chunk.length) break;
      let after = next + 1;
      while (after < order.length && offsets[order[after] ?? 0] === offset) after++;
      const [first, ...rest] = [...order.subarray(next, after)].map((i) => entryOf(tree, paths[i]));
      if (first === undefined) break;
      const start = Math.max(offset - position, at);
      if (position + start === offset) yield encodeWriteEntry(writeEntryOf(first));
      const end = Math.min(offset + first.size - position, chunk.length);
      const piece = chunk.subarray(start, end);
      at = end;
      yield piece;
      if (rest.length > 0) kept.push(piece);
      if (position + end < offset + first.size) break;
      for (const entry of rest) {
        yield encodeWriteEntry(writeEntryOf(entry));
        yield* kept;
      }
      kept = [];
      next = after;
    }
    position += chunk.length;
  }
  if (next < order.length)
    throw new VarveError("SNAPSHOT_APPLY_FAILED", "a layer's tar lacks contents its index names", {
      hint: "the stored index belongs to other bytes; prune the layer and build again",
    });
}

function entryOf(tree: FileTree, path: BytePath = ROOT): Entry {
  const entry = tree.lookup(path);
  if (entry === undefined) throw new TypeError(`${path} was in the tree and is not there`);
  return entry;
}

/**
 * What is written beside the changes, sorted as a walk: the root; and names in `tree` of changed files that did not change themselves, with their
 * parents, since hardlinks into lower layers need all of them.
 */
function otherEntries(tree: FileTree, changes: Iterable<Change>): readonly Entry[] {
  const nodes = new Set<number>();
  const changed = new Set<BytePath>();
  for (const change of changes) {
    if (change.kind === "deleted" || change.entry.type === "directory" || !tree.isLinked(change.entry.node)) continue;
    nodes.add(change.entry.node);
    changed.add(change.path);
  }
  const others = new Map<BytePath, Entry>();
  addWithParents(others, tree, ROOT);
  if (nodes.size > 0) for (const entry of tree.walk()) if (nodes.has(entry.node) && !changed.has(entry.path)) addWithParents(others, tree, entry.path);
  return [...others.values()].sort((a, b) => comparePaths(a.path, b.path));
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
