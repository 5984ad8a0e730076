import type { ByteStream } from "@varve/bytes";
import { VarveError } from "@varve/errors";

/** hardening.md, "Limits": a layer may inflate 1000:1 once it is past 1 GiB. */
const RATIO = 1000;
const FREE = 1024 ** 3;

/**
 * Decompresses a layer; throws IMAGE_LAYER_TOO_LARGE when it inflates beyond any honest measure. `packedSize` gives the bytes of the
 * compressed form, all of them or those read so far.
 */
export async function* limitInflation(
  packed: ByteStream,
  decompress: (packed: ByteStream) => ByteStream,
  packedSize: () => number,
): AsyncGenerator<Uint8Array, void, undefined> {
  let size = 0;
  for await (const piece of decompress(packed)) {
    size += piece.length;
    if (size > FREE && size > packedSize() * RATIO) {
      throw new VarveError("IMAGE_LAYER_TOO_LARGE", `a layer of ${packedSize()} bytes inflates to more than ${size}`, {
        hint: "an honest layer never does; do not use this image",
      });
    }
    yield piece;
  }
}
