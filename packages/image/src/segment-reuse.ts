import { type Codec, sha256Hex } from "@varve/archive";
import { collectBytes } from "@varve/bytes";
import type { Member } from "@varve/layer";
import { type Digest, digestFromHex, type DiffID, type IOOptions, MEDIA_TYPES } from "@varve/oci";
import type { Store } from "@varve/store";
import { readStoredIndex } from "./layer-index-store.ts";

interface Place {
  readonly blob: Digest;
  readonly blobSize: number;
  readonly offset: number;
  readonly size: number;
  readonly member: Digest;
}

/** Finds segments that the codec compressed in the blobs of earlier layers; `undefined` when those have none. */
export async function segmentReuse(
  store: Store,
  previous: readonly DiffID[],
  codec: Codec,
  options: IOOptions,
): Promise<((digest: Digest) => Promise<Member | undefined>) | undefined> {
  const places = new Map<Digest, Place>();
  for (const diffID of previous) await collectPlaces(store, diffID, { codec, places }, options);
  if (places.size === 0) return undefined;
  return async (digest) => {
    const place = places.get(digest);
    if (place === undefined) return undefined;
    const { blob, blobSize, offset, size, member } = place;
    const descriptor = { mediaType: MEDIA_TYPES.ociLayerGzip, digest: blob, size: blobSize };
    try {
      const stream = await store.fetchRange(descriptor, offset, size, options);
      const bytes = await collectBytes(stream, size, () => new RangeError("a range was longer than asked for"));
      // in the new blob, damage would get a digest of its own and stay unseen
      return digestFromHex(sha256Hex(bytes)) === member ? { bytes, digest: member } : undefined;
    } catch {
      options.signal?.throwIfAborted();
      return undefined;
    }
  };
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
      const member = table.members[i];
      if (member !== undefined) places.set(segment.digest, { blob: table.blob, blobSize, offset, size, member });
      offset += size;
    });
  }
}
