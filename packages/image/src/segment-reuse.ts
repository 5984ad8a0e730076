import { type Codec, crc32, sha256Hex } from "@varve/archive";
import { giveRoom, takeRoom } from "@varve/bytes";
import type { Member, MemberCheck } from "@varve/layer";
import { type Descriptor, type Digest, digestFromHex, type DiffID, type IOOptions, MEDIA_TYPES } from "@varve/oci";
import type { OpenBlob, Store } from "@varve/store";
import { readStoredIndex } from "./layer-index-store.ts";

interface Place {
  readonly blob: Descriptor;
  readonly offset: number;
  readonly size: number;
  readonly check: MemberCheck;
}

/** Compressed segments in the blobs of earlier layers; the blobs stay open until it is disposed of. */
export interface SegmentReuse extends AsyncDisposable {
  /** The compressed form of a segment, in room that may be given back; `undefined` where there is none, or a damaged one. */
  readonly member: (segment: Digest) => Promise<Member | undefined>;
}

/** Finds segments that the codec compressed in the blobs of earlier layers; `undefined` when those have none. */
export async function segmentReuse(store: Store, previous: readonly DiffID[], codec: Codec, options: IOOptions): Promise<SegmentReuse | undefined> {
  const places = new Map<Digest, Place>();
  for (const diffID of previous) await collectPlaces(store, diffID, { codec, places }, options);
  if (places.size === 0) return undefined;
  const opened = new Map<Digest, Promise<OpenBlob>>();
  const blobOf = (descriptor: Descriptor): Promise<OpenBlob> => {
    const known = opened.get(descriptor.digest);
    if (known !== undefined) return known;
    const blob = store.openBlob(descriptor, options);
    opened.set(descriptor.digest, blob);
    return blob;
  };
  return {
    async member(segment) {
      const place = places.get(segment);
      if (place === undefined) return undefined;
      const bytes = takeRoom(place.size);
      try {
        const blob = await blobOf(place.blob);
        await blob.readInto(bytes, place.offset, options);
        // in the new blob, damage would get a digest of its own and stay unseen
        const crc = crc32(bytes);
        if (place.check === (typeof place.check === "number" ? crc : digestFromHex(sha256Hex(bytes)))) return { bytes, crc32: crc };
        giveRoom(bytes);
      } catch {
        options.signal?.throwIfAborted();
      }
      return undefined;
    },
    async [Symbol.asyncDispose]() {
      for (const blob of opened.values()) {
        await blob.then(
          (one) => one[Symbol.asyncDispose](),
          () => {},
        );
      }
    },
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
    const blob = { mediaType: MEDIA_TYPES.ociLayerGzip, digest: table.blob, size: table.sizes.reduce((sum, size) => sum + size, 0) };
    if (!(await store.has(blob, options))) continue;
    let offset = 0;
    index.segments.forEach((segment, i) => {
      const size = table.sizes[i] ?? 0;
      const check = table.members[i];
      if (check !== undefined) places.set(segment.digest, { blob, offset, size, check });
      offset += size;
    });
  }
}
