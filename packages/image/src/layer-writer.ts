import { availableParallelism } from "node:os";
import { type Codec, createCodec, decompress, sniffCompression, SNIFF_LENGTH } from "@varve/archive";
import { type ByteStream, peekBytes } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import {
  type ChangeSet,
  type CompressedLayer,
  compressLayer,
  type ContentReader,
  cutsOf,
  encodeLayerIndex,
  indexLayer,
  type LayerIndex,
  type LayerTar,
  type LayerWriteOptions,
  type Segment,
  type SegmentCuts,
  withSegmentTable,
  writeLayerTar,
} from "@varve/layer";
import { type Descriptor, type DiffID, type GrowingBlob, type IOOptions, MEDIA_TYPES } from "@varve/oci";
import type { Store } from "@varve/store";
import { ofLayer } from "./blob-error.ts";
import { limitInflation } from "./inflation-limit.ts";
import { readStoredIndex } from "./layer-index-store.ts";
import { layerTypeOf } from "./layer-type.ts";
import { createPieceQueue, type PieceQueue, WINDOW } from "./piece-queue.ts";
import { type SegmentReuse, segmentReuse } from "./segment-reuse.ts";
import { createSpool } from "./spool.ts";

/** Options of {@link createLayer}. */
export interface CreateLayerOptions extends LayerWriteOptions {
  /** Called once for a blob that is surely another than the `previous` ones, and large enough to be sent somewhere meanwhile. */
  readonly onGrowing?: ((layer: GrowingBlob) => void) | undefined;
  /** What the blob is compressed with (default: gzip at its usual level). */
  readonly codec?: Codec | undefined;
  /** Layers that may hold the same segments (what the step made the last time): those are copied from their blobs, not compressed again. */
  readonly previous?: readonly DiffID[] | undefined;
  /** False where nothing goes on before the blob is there: the tar is then made only as fast as it is compressed, and nothing of it put aside. */
  readonly isAwaited?: boolean | undefined;
}

/** A layer that was just made. */
export interface StoredLayer {
  readonly diffID: DiffID;
  readonly index: LayerIndex;
  /** Resolves once blob and index are in the store; rejects when that failed. Need not be awaited at once. */
  readonly blob: Promise<Descriptor>;
}

/**
 * Writes changes as a layer. Resolves as soon as the tar is written and its diffID known; everything `reader` gives has been read then. The blob
 * is compressed meanwhile and, from bytes put aside, afterwards, so memory does not grow with the layer. Throws what `reader` and the store throw.
 */
export async function createLayer(store: Store, changes: ChangeSet, reader: ContentReader, options: CreateLayerOptions = {}): Promise<StoredLayer> {
  return storeLayer(store, writeLayerTar(changes, reader, options), options);
}

/** As {@link createLayer}, of a tar that nothing was read of yet. */
export async function storeLayer(store: Store, tar: LayerTar, options: CreateLayerOptions = {}): Promise<StoredLayer> {
  const queue = createPieceQueue(() => store.directory("spool"));
  // a failure of either ends the other: the tar stops when its blob can't be stored, the blob with its tar
  const failure = new AbortController();
  const signal = options.signal === undefined ? failure.signal : AbortSignal.any([options.signal, failure.signal]);
  let counts: SegmentCounts | undefined;
  const blob: Promise<Descriptor> = storeQueued(store, queue, tar, {
    ...options,
    signal,
    onCounts: (found) => (counts = found),
    onGrowing: (stream) => options.onGrowing?.({ stream, descriptor: blob }),
  });
  blob.catch((error: unknown) => failure.abort(error));
  try {
    const patience = (): number | undefined => {
      // segments that are copied are copied sooner than they would be put aside
      if (counts !== undefined && counts.reused > 0 && counts.reused >= counts.compressed) return WINDOW;
      return options.isAwaited === false ? PATIENT : undefined;
    };
    await fill(queue, tar.stream, { signal, patience });
  } catch (error) {
    failure.abort(error);
    await blob.catch(() => {});
    throw error;
  }
  const { diffID, index } = await tar.finished;
  return { diffID, index, blob };
}

/** Compresses what is put into a queue as it comes, and frees the queue. */
async function storeQueued(store: Store, queue: PieceQueue, tar: LayerTar, options: StoreSegmentsOptions): Promise<Descriptor> {
  try {
    return await storeSegments(
      store,
      { stream: queue.read(options), cuts: tar.cuts, segments: tar.segments, isNew: tar.isNew, finished: tar.finished },
      options,
    );
  } finally {
    await queue[Symbol.asyncDispose]();
  }
}

/** Options of {@link storeLayerTar}. */
export interface StoreLayerTarOptions extends IOOptions {
  /** What the tar must be; else IMAGE_LAYER_MISMATCH. */
  readonly diffID: DiffID;
}

/** Stores a layer that is at hand as a tar: a compressed one as it is, another one compressed. Its index is stored too. Owns `stream`. */
export async function storeLayerTar(store: Store, stream: ByteStream, options: StoreLayerTarOptions): Promise<Descriptor> {
  try {
    return await storeByKind(store, stream, options);
  } catch (error) {
    throw ofLayer(options.diffID, error);
  }
}

async function storeByKind(store: Store, stream: ByteStream, options: StoreLayerTarOptions): Promise<Descriptor> {
  const { head, stream: whole } = await peekBytes(stream, SNIFF_LENGTH);
  const compression = sniffCompression(head);
  switch (compression) {
    case "gzip":
    case "zstd":
      return storeCompressed(store, whole, compression === "gzip" ? MEDIA_TYPES.ociLayerGzip : MEDIA_TYPES.ociLayerZstd, options);
    case "none":
      return storeUncompressed(store, whole, options);
    default:
      throw new VarveError("IMAGE_UNSUPPORTED_LAYER", `layer ${options.diffID} is compressed with ${compression}, which is not supported`);
  }
}

async function storeCompressed(store: Store, stream: ByteStream, mediaType: string, options: StoreLayerTarOptions): Promise<Descriptor> {
  const writer = await store.ingest(options);
  try {
    let size = 0;
    async function* passing(): AsyncGenerator<Uint8Array, void, undefined> {
      for await (const piece of stream) {
        await writer.write(piece);
        size += piece.length;
        yield piece;
      }
    }

    const index = await indexLayer(
      limitInflation(passing(), decompress, () => size),
      options,
    );
    requireDiffID(index, options.diffID);
    const { digest } = await writer.commit();
    await store.writeLayerIndex(index.diffID, encodeLayerIndex(index), options);
    return { mediaType, digest, size };
  } finally {
    await writer.abort();
  }
}

async function storeUncompressed(store: Store, stream: ByteStream, options: StoreLayerTarOptions): Promise<Descriptor> {
  const { descriptor } = await storeTar(store, stream, { ...options, check: (index) => requireDiffID(index, options.diffID) });
  return descriptor;
}

/** Options of {@link storeTar}. */
export interface StoreTarOptions extends IOOptions, Pick<CreateLayerOptions, "codec" | "previous"> {
  /** Sees the tar's index before anything is compressed; what it throws ends the work. */
  readonly check?: (index: LayerIndex) => void;
}

/** Compresses a layer's tar, which is put aside first: where it is cut is known at its end only. Its index is stored too. Owns `stream`. */
export async function storeTar(
  store: Store,
  stream: ByteStream,
  options: StoreTarOptions = {},
): Promise<{ readonly diffID: DiffID; readonly descriptor: Descriptor }> {
  await using spool = createSpool(() => store.directory("spool"));
  async function* passing(): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const piece of stream) {
      await spool.write(piece);
      yield piece;
    }
    await spool.end();
  }
  const index = await indexLayer(passing(), options);
  options.check?.(index);
  const { segments, diffID } = index;
  const tar = { stream: spool.read(), cuts: cutsOf(segments), segments, finished: Promise.resolve({ index }) };
  return { diffID, descriptor: await storeSegments(store, tar, options) };
}

/** A tar whose segments are known by the time they are read. */
export interface SegmentedTar {
  readonly stream: ByteStream;
  readonly cuts: SegmentCuts;
  readonly segments: readonly Segment[];
  /** See {@link LayerTar.isNew}. */
  readonly isNew?: boolean | undefined;
  readonly finished: Promise<{ readonly index: LayerIndex }>;
}

/** Bytes that wait to be compressed where nobody waits for the tar: enough that the compressors never do. */
const PATIENT = 4 * 1024 * 1024;

/** How many segments were compressed, and how many copied; grows. */
type SegmentCounts = CompressedLayer["counts"];

/** Options of {@link storeSegments}. */
export interface StoreSegmentsOptions extends IOOptions, Pick<CreateLayerOptions, "previous" | "codec"> {
  /** Called before the first segment is taken. */
  readonly onCounts?: (counts: SegmentCounts) => void;
  /** Called once with the blob's bytes as they come, when there are many and a segment of them is new. */
  readonly onGrowing?: (stream: ByteStream) => void;
}

/** Bytes of a blob that is worth being sent before it is complete. */
const GROWN = 4 * 1024 * 1024;

/** Compresses a tar's segments into a blob; stores the index with their table. */
export async function storeSegments(store: Store, tar: SegmentedTar, options: StoreSegmentsOptions): Promise<Descriptor> {
  const writer = await store.ingest(options);
  const codec = options.codec ?? createCodec("gzip");
  let reuse: SegmentReuse | undefined;
  try {
    reuse = await segmentReuse(store, options.previous ?? [], codec, options);
    const member = reuse?.member;
    // the cores, and one that waits its turn; not more, since reading contents needs libuv's threads too, and the next step waits for that
    const concurrency = availableParallelism() + 1;
    const compressed = compressLayer(tar, { signal: options.signal, codec, concurrency, reuse: member });
    options.onCounts?.(compressed.counts);
    let written = 0;
    let isFollowed = options.onGrowing === undefined;
    for await (const piece of compressed.stream) {
      written += piece.length;
      await writer.take(piece);
      // a blob like none before; what has nothing in common with one may still be where it is to be sent
      const isNew = tar.isNew === true || compressed.counts.compressed > 0;
      if (isFollowed || written < GROWN || !isNew || compressed.counts.reused === 0) continue;
      isFollowed = true;
      options.onGrowing?.(writer.follow());
    }
    const { index } = await tar.finished;
    const { digest, size } = await writer.commit();
    const known = (await readStoredIndex(store, index.diffID, options)) ?? index;
    const next = withSegmentTable(known, { blob: digest, encoding: codec.encoding, sizes: compressed.sizes, members: compressed.members });
    await store.writeLayerIndex(index.diffID, encodeLayerIndex(next), options);
    return { mediaType: layerTypeOf(codec.type), digest, size };
  } finally {
    await reuse?.[Symbol.asyncDispose]();
    await writer.abort();
  }
}

async function fill(
  queue: PieceQueue,
  stream: ByteStream,
  { signal, patience }: { readonly signal: AbortSignal; readonly patience: () => number | undefined },
): Promise<void> {
  try {
    for await (const piece of stream) {
      signal.throwIfAborted();
      await queue.write(piece, patience);
    }
    queue.end();
  } catch (error) {
    queue.fail(error);
    throw error;
  }
}

function requireDiffID(index: LayerIndex, expected: DiffID): void {
  if (index.diffID === expected) return;
  throw new VarveError("IMAGE_LAYER_MISMATCH", `a layer of the archive holds ${index.diffID}, but its image's config says ${expected}`);
}
