import { createHash } from "node:crypto";
import { type Descriptor, digestFromHex } from "@varve/oci";

/** A descriptor of `bytes`. */
export function describeBlob(bytes: Uint8Array, mediaType = "application/octet-stream"): Descriptor {
  return { mediaType, digest: digestFromHex(createHash("sha256").update(bytes).digest("hex")), size: bytes.length };
}

/** `bytes` in pieces of at most `size`. */
export async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
