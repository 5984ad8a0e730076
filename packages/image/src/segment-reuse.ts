import type { Codec } from "@varve/archive";
import { collectBytes } from "@varve/bytes";
import { type Descriptor, type Digest, type DiffID, type IOOptions, MEDIA_TYPES } from "@varve/oci";
import type { Store } from "@varve/store";
import { readStoredIndex } from "./layer-index-store.ts";

interface Place {
  readonly blob: Digest;
  readonly blobSize: number;
  readonly offset: number;
  readonly size: number;
}

/** Finds segments that the codec compressed in the blobs of earlier layers; `undefined` when those have none. */
export async function segmentReuse(
  store: Store,
  previous: readonly DiffID[],
  codec: Codec,
  options: IOOptions,
): Promise<((digest: Digest) => Promise<Uint8Array | undefined>) | undefined> {
  const places = new Map<Digest, Place>();
  for (const diffID of previous) await collectPlaces(store, diffID, { codec, places }, options);
  if (places.size === 0) return undefined;
  const whole = new Map<Digest, Promise<boolean>>();
  return async (digest) => {
    const place = places.get(digest);
    if (place === undefined) return undefined;
    const { blob, blobSize, offset, size } = place;
    const descriptor = { mediaType: MEDIA_TYPES.ociLayerGzip, digest: blob, size: blobSize };
    const known = whole.get(blob) ?? isWhole(store, descriptor, options);
    whole.set(blob, known);
    if (!(await known)) return undefined;
    const stream = await store.fetchRange(descriptor, offset, size, options);
    return collectBytes(stream, size, () => new RangeError("a range was longer than asked for"));
  };
}

/** Whether a blob is what it was when it was stored: what is copied out of it gets a new digest, under which damage would stay unseen. */
async function isWhole(store: Store, descriptor: Descriptor, options: IOOptions): Promise<boolean> {
  try {
    for await (const _ of await store.fetch(descriptor, options));
    return true;
  } catch {
    options.signal?.throwIfAborted();
    return false;
  }
}

async function collectPlaces(
  store: Store,
  diffID: DiffID,
  { codec, places }: { readonly codec: Codec; readonly places: Map<Digest, Place> },
  options: IOOptions,
): Promise<void> {
  const index = await readStoredIndex(store, diffID, options);
  for (const table of index?.tables ?? []) {
    if (table.encoding !== codec.encoding || index?.segments.length !== table.sizes.length) continue;
    const blobSize = table.sizes.reduce((sum, size) => sum + size, 0);
    if (!(await store.has({ mediaType: MEDIA_TYPES.ociLayerGzip, digest: table.blob, size: blobSize }, options))) continue;
    let offset = 0;
    index.segments.forEach((segment, i) => {
      const size = table.sizes[i] ?? 0;
      places.set(segment.digest, { blob: table.blob, blobSize, offset, size });
      offset += size;
    });
  }
}
