import { isVarveError, VarveError } from "@varve/errors";
import type { Digest, DiffID } from "@varve/oci";

/** An error about a layer's bytes with the layer's name in front; the reader of a stream doesn't know whose it is. Other errors as they are. */
export function ofLayer(name: Digest | DiffID, error: unknown): unknown {
  if (!isVarveError(error, "ARCHIVE_MALFORMED_COMPRESSION", "ARCHIVE_MALFORMED_TAR", "ARCHIVE_UNSUPPORTED_TAR", "ARCHIVE_UNSUPPORTED_COMPRESSION"))
    return error;
  const hint = error.hint ?? "it is damaged where it came from, or was not written to its end";
  return new VarveError(error.code, `layer ${name} cannot be read: ${error.message}`, { hint, cause: error });
}
