import { createSizedSha256, encodeTarHeader, sha256Hex, TAR_END, tarPadding } from "@varve/archive";
import { type BytePath, type ByteStream, comparePaths, displayPath } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import { type Digest, type DiffID, digestFromHex, type IOOptions } from "@varve/oci";
import type { Change, ChangeSet } from "./change-set.ts";
import type { ContentReader } from "./content-ref.ts";
import type { Entry } from "./entry.ts";
import type { LayerEntry } from "./layer-entry.ts";
import { describeDeletion, describeEntry } from "./layer-header.ts";
import { createLayerIndexBuilder, type LayerIndex, type Segment } from "./layer-index.ts";
import { createPieceGatherer, type PieceGatherer } from "./piece-gatherer.ts";
import { createSegmentCutter, type SegmentCuts, type SegmentCutter } from "./segment-cuts.ts";
import { createTarDigest } from "./tar-digest.ts";

/** How a layer is written. */
export interface LayerWriteOptions extends IOOptions {
  /** Seconds since the epoch; modification times after it become it (SOURCE_DATE_EPOCH with rewrite-timestamp). */
  readonly latestTime?: number | undefined;
}

/** A layer's tar, made while it is read. */
export interface LayerTar {
  /** The bytes, once; equal changes and contents give equal bytes. */
  readonly stream: ByteStream;
  /** Where {@link stream} is to be cut for compression. */
  readonly cuts: SegmentCuts;
  /** The segments whose last byte was given; grows while {@link stream} is read. */
  readonly segments: readonly Segment[];
  /** Resolves when the stream was read to its end; rejects when it failed or was left. */
  readonly finished: Promise<{ readonly diffID: DiffID; readonly size: number; readonly index: LayerIndex }>;
}

const EMPTY: Digest = digestFromHex(sha256Hex(new Uint8Array(0)));

/**
 * The one writer of layers: entries sorted as a walk, deletions as whiteouts, whole-second times, no user names, no other times, xattrs as PAX records,
 * the first path of files with one `node` as a file and the others as hardlinks to it by relative name. `user.*`, `trusted.*` and SELinux
 * xattrs are left out, as BuildKit's exporter does. The changes should have their parents ({@link withParents}). Nothing is read before the stream is.
 * The stream throws LAYER_INVALID_ENTRY, LAYER_CONTENT_SIZE, and what `reader` throws.
 */
export function writeLayerTar(changeSet: ChangeSet, reader: ContentReader, options: LayerWriteOptions = {}): LayerTar {
  const cuts = createSegmentCutter();
  const digest = createTarDigest(cuts);
  const { promise, resolve, reject } = deferred<Awaited<LayerTar["finished"]>>();
  // whoever reads the stream learns of a failure from it
  promise.catch(() => {});
  async function* write(): AsyncGenerator<Uint8Array, void, undefined> {
    const index = createLayerIndexBuilder();
    let complete = false;
    try {
      for await (const piece of writeEntries(
        { changes: sorted(changeSet.changes), isLinked: (node) => changeSet.isLinked?.(node) ?? true },
        { reader, options, cuts, add: index.add },
      )) {
        digest.push(piece);
        digest.settle(Number.POSITIVE_INFINITY);
        yield piece;
      }
      const summary = digest.finish();
      complete = true;
      resolve({ diffID: summary.diffID, size: summary.size, index: index.finish(summary) });
    } catch (error) {
      complete = true;
      reject(error);
      throw error;
    } finally {
      if (!complete) reject(new Error("the layer's stream was left before its end"));
    }
  }
  return { stream: write(), cuts, segments: digest.segments, finished: promise };
}

interface Output {
  readonly reader: ContentReader;
  readonly options: LayerWriteOptions;
  readonly cuts: SegmentCutter;
  readonly add: (entry: LayerEntry) => void;
}

async function* writeEntries({ changes, isLinked }: Required<ChangeSet>, output: Output): AsyncGenerator<Uint8Array, void, undefined> {
  const pieces = createPieceGatherer();
  const latestTime = output.options.latestTime ?? Number.POSITIVE_INFINITY;
  let position = 0;
  /** The first path of each node that may have others. */
  const written = new Map<number, BytePath>();
  for (const change of changes) {
    output.options.signal?.throwIfAborted();
    const entry = change.kind === "deleted" ? undefined : change.entry;
    const first = entry === undefined ? undefined : written.get(entry.node);
    const { header, record } = entry === undefined ? describeDeletion(change.path) : describeEntry(entry, first, latestTime);
    const bytes = encodeTarHeader(header);
    const padding = tarPadding(header.size);
    const offset = position + bytes.length;
    output.cuts.entry(position, offset + header.size + padding.length, header.name);
    position = offset + header.size + padding.length;
    pieces.add(bytes);
    if (entry === undefined || record.kind !== "file") output.add(record);
    else {
      const digest = entry.size === 0 ? EMPTY : yield* writeContent(entry, pieces, output);
      pieces.add(padding);
      output.add({ ...record, offset, digest });
    }
    if (entry !== undefined && entry.type !== "directory" && first === undefined && isLinked(entry.node)) written.set(entry.node, change.path);
    for (let piece = pieces.take(); piece !== undefined; piece = pieces.take()) yield piece;
  }
  pieces.add(TAR_END);
  pieces.flush();
  for (let piece = pieces.take(); piece !== undefined; piece = pieces.take()) yield piece;
}

async function* writeContent(entry: Entry, pieces: PieceGatherer, { reader, options }: Output): AsyncGenerator<Uint8Array, Digest, undefined> {
  if (entry.content === undefined) throw new TypeError(`file ${JSON.stringify(entry.path)} has no content`);
  const hash = createSizedSha256(entry.size);
  let left = entry.size;
  for await (const bytes of await reader.open(entry.content, options)) {
    options.signal?.throwIfAborted();
    left -= bytes.length;
    if (left < 0) break;
    hash.update(bytes);
    pieces.add(bytes);
    for (let piece = pieces.take(); piece !== undefined; piece = pieces.take()) yield piece;
  }
  if (left !== 0) throw wrongSize(entry, left < 0 ? "more" : "fewer");
  return digestFromHex(hash.hex());
}

function wrongSize(entry: Entry, how: string): VarveError {
  return new VarveError("LAYER_CONTENT_SIZE", `file ${JSON.stringify(displayPath(entry.path))} has ${how} than the ${entry.size} bytes it was listed with`, {
    hint: "it changed while it was read",
  });
}

/** An array is put in order; what is made while it is gone through comes from trees, which are. */
function sorted(changes: Iterable<Change>): Iterable<Change> {
  if (!Array.isArray(changes)) return changes;
  const known = changes as readonly Change[];
  const ordered = known.every((change, i) => i === 0 || comparePaths(known[i - 1]?.path ?? change.path, change.path) < 0);
  return ordered ? known : known.toSorted((a, b) => comparePaths(a.path, b.path));
}

function deferred<T>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void; readonly reject: (error: unknown) => void } {
  const settle: { resolve: (value: T) => void; reject: (error: unknown) => void } = { resolve: () => {}, reject: () => {} };
  const promise = new Promise<T>((resolve, reject) => {
    settle.resolve = resolve;
    settle.reject = reject;
  });
  return { promise, resolve: (value) => settle.resolve(value), reject: (error) => settle.reject(error) };
}
