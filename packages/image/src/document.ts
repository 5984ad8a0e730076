import { type ByteStream, collectBytes } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import { type Descriptor, DOCUMENT_LIMIT, type Fetcher, type IOOptions } from "@varve/oci";

/** Indexes within indexes that are followed; hardening.md, "Limits". */
export const INDEX_DEPTH_LIMIT = 3;

/** Fetches a manifest, index or config whole: verified, at most 4 MiB (else OCI_TOO_LARGE). */
export async function fetchDocument(source: Fetcher, descriptor: Descriptor, options: IOOptions = {}): Promise<Uint8Array> {
  const tooLarge = (): VarveError => new VarveError("OCI_TOO_LARGE", `${descriptor.digest} (${descriptor.mediaType}) is larger than ${DOCUMENT_LIMIT} bytes`);
  if (descriptor.size > DOCUMENT_LIMIT) throw tooLarge();
  const stream: ByteStream = await source.fetch(descriptor, options);
  return collectBytes(stream, DOCUMENT_LIMIT, tooLarge);
}

/** The IMAGE_TOO_NESTED error for an index found below the limit. */
export function tooNested(descriptor: Descriptor): VarveError {
  return new VarveError("IMAGE_TOO_NESTED", `index ${descriptor.digest} is nested more than ${INDEX_DEPTH_LIMIT} deep`);
}
