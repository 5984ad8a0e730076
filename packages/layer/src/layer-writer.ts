import { createSha256, createSizedSha256, encodeTarHeader, sha256Hex, TAR_END, tarPadding } from "@varve/archive";
import { type BytePath, type ByteStream, comparePaths, displayPath } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import { type Digest, type DiffID, digestFromHex, type IOOptions, parseDiffID } from "@varve/oci";
import type { Change, ChangeSet } from "./change-set.ts";
import type { ContentReader } from "./content-ref.ts";
import type { Entry } from "./entry.ts";
import type { LayerEntry } from "./layer-entry.ts";
import { describeDeletion, describeEntry } from "./layer-header.ts";
import { createLayerIndexBuilder, type LayerIndex, type LayerIndexBuilder, type Segment } from "./layer-index.ts";
import { createSegmentCutter, type SegmentCuts, type SegmentCutter } from "./segment-cuts.ts";
import { type CompleteSegment, completeSegment, SegmentAssembly, type SegmentDraft } from "./segment-draft.ts";

/** How a layer is written. */
export interface LayerWriteOptions extends IOOptions {
  /** Seconds since the epoch; modification times after it become it (SOURCE_DATE_EPOCH with rewrite-timestamp). */
  readonly latestTime?: number | undefined;
}

/** A layer's tar, made while it is read. */
export interface LayerTar {
  /** The bytes, once, a segment a piece; equal changes and contents give equal bytes. */
  readonly stream: ByteStream;
  /** Where {@link stream} is to be cut for compression. */
  readonly cuts: SegmentCuts;
  /** The segments whose last byte was given; grows while {@link stream} is read. */
  readonly segments: readonly Segment[];
  /** Set when it is known before anything is read that earlier layers are others. */
  readonly isNew?: boolean;
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
  const changes = { changes: sorted(changeSet.changes), isLinked: (node: number) => changeSet.isLinked?.(node) ?? true };
  const drafts = (): AsyncIterable<SegmentDraft> => draftSegments(changes, { reader, options, cuts, assembly: new SegmentAssembly(cuts) });
  return writeDrafts({ cuts, drafts, ...createLayerIndexBuilder() }, reader, options);
}

/** What a tar is made of. */
export interface DraftedTar extends LayerIndexBuilder {
  readonly cuts: SegmentCuts;
  /** Asked for once, when the tar is first read. */
  readonly drafts: () => AsyncIterable<SegmentDraft>;
}

/** The tar of its segments' drafts; see {@link writeLayerTar}. */
export function writeDrafts({ cuts, drafts, add, finish }: DraftedTar, reader: ContentReader, options: IOOptions): LayerTar {
  const segments: Segment[] = [];
  const { promise, resolve, reject } = deferred<Awaited<LayerTar["finished"]>>();
  // whoever reads the stream learns of a failure from it
  promise.catch(() => {});
  async function* write(): AsyncGenerator<Uint8Array, void, undefined> {
    const whole = createSha256();
    let size = 0;
    let complete = false;
    try {
      for await (const { segment, records } of completeSegments(drafts(), reader, options)) {
        for (const record of records) add(record);
        if (segment.bytes.length === 0) continue;
        whole.update(segment.bytes);
        size += segment.bytes.length;
        segments.push({ offset: segment.offset, size: segment.bytes.length, digest: segment.digest, crc32: segment.crc32 });
        yield segment.bytes;
      }
      const diffID = parseDiffID(`sha256:${whole.hex()}`);
      complete = true;
      resolve({ diffID, size, index: finish({ diffID, size, segments }) });
    } catch (error) {
      complete = true;
      reject(error);
      throw error;
    } finally {
      if (!complete) reject(new Error("the layer's stream was left before its end"));
    }
  }
  return { stream: write(), cuts, segments, finished: promise };
}

/** Segments that are being read and hashed while the one before them is given: up to 5 MiB each. */
const AHEAD = 3;

async function* completeSegments(
  drafts: AsyncIterable<SegmentDraft>,
  reader: ContentReader,
  options: IOOptions,
): AsyncGenerator<CompleteSegment, void, undefined> {
  const underway: Promise<CompleteSegment>[] = [];
  try {
    for await (const draft of drafts) {
      const complete = completeSegment(draft, reader.batches, options);
      // its turn to be awaited comes later
      complete.catch(() => {});
      underway.push(complete);
      const next = underway.length > AHEAD ? underway.shift() : undefined;
      if (next !== undefined) yield await next;
    }
    for (let next = underway.shift(); next !== undefined; next = underway.shift()) yield await next;
  } finally {
    await Promise.allSettled(underway);
  }
}

interface Output {
  readonly reader: ContentReader;
  readonly options: LayerWriteOptions;
  readonly cuts: SegmentCutter;
  readonly assembly: SegmentAssembly;
}

async function* draftSegments({ changes, isLinked }: Required<ChangeSet>, output: Output): AsyncGenerator<SegmentDraft, void, undefined> {
  const { assembly, options, cuts } = output;
  const latestTime = options.latestTime ?? Number.POSITIVE_INFINITY;
  /** The first path of each node that may have others. */
  const written = new Map<number, BytePath>();
  for (const change of changes) {
    options.signal?.throwIfAborted();
    const entry = change.kind === "deleted" ? undefined : change.entry;
    const first = entry === undefined ? undefined : written.get(entry.node);
    const { header, record } = entry === undefined ? describeDeletion(change.path) : describeEntry(entry, first, latestTime);
    const bytes = encodeTarHeader(header);
    const padding = tarPadding(header.size);
    const start = assembly.position;
    const offset = start + bytes.length;
    cuts.entry(start, offset + header.size + padding.length, () => header.name);
    // a large entry may have a cut in front of it
    assembly.settle();
    assembly.add(bytes);
    if (entry === undefined || record.kind !== "file") assembly.record(record);
    else if (entry.size === 0) assembly.record({ ...record, offset, digest: EMPTY });
    else {
      yield* writeContent(entry, { ...record, offset }, output);
      assembly.add(padding);
    }
    assembly.settle();
    if (entry !== undefined && entry.type !== "directory" && first === undefined && isLinked(entry.node)) written.set(entry.node, change.path);
    for (let draft = assembly.take(); draft !== undefined; draft = assembly.take()) yield draft;
  }
  assembly.add(TAR_END);
  assembly.end();
  for (let draft = assembly.take(); draft !== undefined; draft = assembly.take()) yield draft;
}

/** Contents up to this size lie within one segment with their entry, so that a whole segment's can be read at once. */
const BATCHED = 128 * 1024;

async function* writeContent(entry: Entry, record: LayerEntry, { reader, options, assembly }: Output): AsyncGenerator<SegmentDraft, void, undefined> {
  const { content, size } = entry;
  if (content === undefined) throw new TypeError(`file ${JSON.stringify(entry.path)} has no content`);
  if (size <= BATCHED && content.size === size && reader.batches?.takes(content) === true) {
    assembly.record(record, assembly.leave(content));
    return;
  }
  const hash = createSizedSha256(size);
  let left = size;
  const since = Date.now();
  for await (const bytes of await reader.open(content, options)) {
    options.signal?.throwIfAborted();
    left -= bytes.length;
    if (left < 0) break;
    hash.update(bytes);
    assembly.add(bytes);
    for (let draft = assembly.take(); draft !== undefined; draft = assembly.take()) yield draft;
  }
  if (left !== 0) throw wrongSize(entry, left < 0 ? "more" : "fewer");
  const digest = digestFromHex(hash.hex());
  reader.learn?.(content, digest, since);
  assembly.record({ ...record, digest });
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
