import { decompress } from "@varve/archive";
import type { ByteStream } from "@varve/bytes";
import type { LayerIndex, SegmentTable } from "./layer-index.ts";
import { invalidIndex } from "./index-encoding.ts";

/** Gives a range of the compressed blob. */
export type RangeOpener = (offset: number, length: number) => Promise<ByteStream>;

/**
 * Part of a layer's uncompressed tar, from the segments that hold it: nothing before them is inflated. Throws LAYER_INVALID_INDEX when the range lies
 * outside, or the table does not fit the index.
 */
export async function* readTarRange(
  layer: { readonly index: LayerIndex; readonly table: SegmentTable; readonly open: RangeOpener },
  offset: number,
  size: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (size === 0) return;
  const { segments } = layer.index;
  const { sizes } = layer.table;
  if (segments.length !== sizes.length || offset + size > layer.index.size) throw invalidIndex("its segments don't fit the layer");
  let at = 0;
  let first: { readonly blobOffset: number; readonly tarOffset: number } | undefined;
  let end = 0;
  segments.forEach((segment, i) => {
    const length = sizes[i] ?? 0;
    if (segment.offset + segment.size > offset && segment.offset < offset + size) {
      first ??= { blobOffset: at, tarOffset: segment.offset };
      end = at + length;
    }
    at += length;
  });
  if (first === undefined) throw invalidIndex("its segments don't fit the layer");
  yield* slice(decompress(await layer.open(first.blobOffset, end - first.blobOffset)), offset - first.tarOffset, size);
}

async function* slice(stream: ByteStream, skip: number, size: number): AsyncGenerator<Uint8Array, void, undefined> {
  let before = skip;
  let left = size;
  for await (const piece of stream) {
    const from = Math.min(before, piece.length);
    before -= from;
    const wanted = piece.subarray(from, Math.min(piece.length, from + left));
    left -= wanted.length;
    if (wanted.length > 0) yield wanted;
    if (left === 0) return;
  }
  throw invalidIndex("a segment is shorter than it says");
}
