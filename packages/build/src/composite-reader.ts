import type { OwningReader } from "@varve/context";
import { type ByteStream, streamOf } from "@varve/bytes";
import type { ContentReader, ContentRef } from "@varve/layer";
import { digestFromHex } from "@varve/oci";
import { sha256Hex } from "@varve/archive";

/** Reads what several sources put into one change set: each reference by the reader that owns it, bytes at hand directly, the rest by `otherwise`. */
export function createCompositeReader(owners: readonly OwningReader[], otherwise: ContentReader): ContentReader {
  const readerOf = (ref: ContentRef): ContentReader => (ref.kind === "bytes" ? BYTES : (owners.find((owner) => owner.owns(ref)) ?? otherwise));
  return {
    open: (ref, options) => readerOf(ref).open(ref, options),
    digest: (ref, options) => readerOf(ref).digest(ref, options),
  };
}

const BYTES: ContentReader = {
  open: (ref): Promise<ByteStream> => Promise.resolve(streamOf(bytesOf(ref))),
  digest: (ref) => Promise.resolve(digestFromHex(sha256Hex(bytesOf(ref)))),
};

function bytesOf(ref: ContentRef): Uint8Array {
  if (ref.kind !== "bytes") throw new TypeError(`${ref.kind} references hold no bytes`);
  return ref.bytes;
}
