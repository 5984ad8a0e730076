import { createHash } from "node:crypto";
import { codecTypeOf, decompress } from "@varve/archive";
import { collectBytes } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import type { LayerIndex, Segment, SegmentTable } from "@varve/layer";
import { type Descriptor, digestFromHex, type IOOptions } from "@varve/oci";
import type { Store } from "@varve/store";
import type { LayerContent } from "./layer-reader.ts";

/** Inflated segments, the latest used; small files that lie side by side are inflated once. */
export interface SegmentCache {
  get(key: string, inflate: () => Promise<Uint8Array>): Promise<Uint8Array>;
}

/** Bytes. A segment has 5 MiB at most. */
const CACHE_LIMIT = 24 * 1024 * 1024;

/** Creates an empty {@link SegmentCache}. */
export function createSegmentCache(): SegmentCache {
  const entries = new Map<string, { readonly bytes: Promise<Uint8Array>; size: number }>();
  let total = 0;
  const drop = (key: string): void => {
    total -= entries.get(key)?.size ?? 0;
    entries.delete(key);
  };
  return {
    get(key, inflate) {
      const known = entries.get(key);
      if (known !== undefined) {
        entries.delete(key);
        entries.set(key, known);
        return known.bytes;
      }
      const entry = { bytes: inflate(), size: 0 };
      entries.set(key, entry);
      entry.bytes.then(
        (bytes) => {
          if (entries.get(key) !== entry) return;
          entry.size = bytes.length;
          total += bytes.length;
          for (const oldest of entries.keys()) {
            if (total <= CACHE_LIMIT) break;
            if (oldest !== key) drop(oldest);
          }
        },
        () => entries.delete(key),
      );
      return entry.bytes;
    },
  };
}

/** What a segmented layer is read by. */
export interface SegmentedLayerSource {
  readonly store: Store;
  readonly blob: Descriptor;
  readonly index: LayerIndex;
  /** Of `blob`; as many sizes as the index has segments. */
  readonly table: SegmentTable;
  readonly cache: SegmentCache;
}

/** A layer read by its segments; each is checked against its digest when it is inflated. */
export function createSegmentedLayer(source: SegmentedLayerSource): LayerContent {
  const { segments } = source.index;
  const starts: number[] = [];
  let blobSize = 0;
  for (const size of source.table.sizes) {
    starts.push(blobSize);
    blobSize += size;
  }
  const inflate = (at: number, segment: Segment, options: IOOptions | undefined): Promise<Uint8Array> =>
    inflateSegment(source, segment, { offset: starts[at] ?? 0, size: source.table.sizes[at] ?? 0 }, options);
  return {
    async *read(offset, size, options) {
      const end = offset + size;
      for (let at = segmentAt(segments, offset); at < segments.length; at++) {
        const segment = segments[at];
        if (segment === undefined || segment.offset >= end) return;
        const bytes = await source.cache.get(`${source.blob.digest}/${at}`, () => inflate(at, segment, options));
        const piece = bytes.subarray(Math.max(0, offset - segment.offset), Math.min(segment.size, end - segment.offset));
        if (piece.length > 0) yield piece;
      }
    },
    async [Symbol.asyncDispose]() {},
  };
}

/** The segment that holds a byte (the last that starts at or before it). */
function segmentAt(segments: readonly Segment[], offset: number): number {
  let low = 0;
  let high = segments.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((segments[middle]?.offset ?? 0) <= offset) low = middle + 1;
    else high = middle;
  }
  return Math.max(0, low - 1);
}

async function inflateSegment(
  { store, blob, table }: SegmentedLayerSource,
  segment: Segment,
  place: { readonly offset: number; readonly size: number },
  options: IOOptions | undefined,
): Promise<Uint8Array> {
  const wrong = (why: string, cause?: unknown): VarveError =>
    new VarveError("IMAGE_LAYER_MISMATCH", `blob ${blob.digest} is not what its index says: ${why} at byte ${place.offset}`, { cause });
  const packed = await store.fetchRange(blob, place.offset, place.size, options);
  let bytes: Uint8Array;
  try {
    bytes = await collectBytes(decompress(packed, codecTypeOf(table.encoding)), segment.size, () => wrong("a segment is longer"));
  } catch (cause) {
    options?.signal?.throwIfAborted();
    throw cause instanceof VarveError && cause.code === "IMAGE_LAYER_MISMATCH" ? cause : wrong("a segment cannot be inflated", cause);
  }
  if (digestFromHex(createHash("sha256").update(bytes).digest("hex")) !== segment.digest) throw wrong("a segment has another digest");
  return bytes;
}
