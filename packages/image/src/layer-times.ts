import { type Codec, decompress, encodeTarHeader, readTar, TAR_END, tarPadding } from "@varve/archive";
import { type ByteStream, concatBytes } from "@varve/bytes";
import type { Descriptor, DiffID, IOOptions } from "@varve/oci";
import type { Store } from "@varve/store";
import type { ImageLayer } from "./image.ts";
import { limitInflation } from "./inflation-limit.ts";
import { layerIndex } from "./layer-index-store.ts";
import { storeTar } from "./layer-writer.ts";

/** How {@link rewriteLayerTimes} writes. */
export interface RewriteTimesOptions extends IOOptions {
  /** Seconds since the epoch. */
  readonly latestTime: number;
  readonly codec: Codec;
  /** Layers that may hold the same segments. */
  readonly previous?: readonly DiffID[] | undefined;
}

/**
 * Stores a layer whose modification times after `latestTime` became it; all else stays (BuildKit's rewrite-timestamp). `undefined` when it has no such time.
 * It is for layers varve wrote, whose blob is in the store: of others, PAX records that mean nothing to varve would be lost.
 */
export async function rewriteLayerTimes(
  store: Store,
  layer: ImageLayer,
  options: RewriteTimesOptions,
): Promise<{ readonly diffID: DiffID; readonly descriptor: Descriptor } | undefined> {
  const index = await layerIndex(store, layer, options);
  let isLater = false;
  for (const entry of index.entries()) isLater ||= entry.mtime > options.latestTime;
  if (!isLater) return undefined;
  const tar = limitInflation(await store.fetch(layer.descriptor, options), decompress, () => layer.descriptor.size);
  return storeTar(store, withTimes(tar, options.latestTime, options), options);
}

/** Bytes that are gathered before they are passed on: an archive of small files would be a stream of headers. */
const PIECE = 256 * 1024;

async function* withTimes(tar: ByteStream, latestTime: number, options: IOOptions): AsyncGenerator<Uint8Array, void, undefined> {
  let pieces: Uint8Array[] = [];
  let size = 0;
  const put = (bytes: Uint8Array): boolean => {
    pieces.push(bytes);
    size += bytes.length;
    return size >= PIECE;
  };
  const take = (): Uint8Array => {
    const bytes = concatBytes(pieces);
    pieces = [];
    size = 0;
    return bytes;
  };
  for await (const { header, content } of readTar(tar, options)) {
    put(encodeTarHeader({ ...header, mtime: Math.min(header.mtime, latestTime) }));
    for await (const piece of content) if (put(piece)) yield take();
    if (put(tarPadding(header.size))) yield take();
  }
  put(TAR_END);
  yield take();
}
