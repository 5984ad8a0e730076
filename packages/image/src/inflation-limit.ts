import type { ByteStream } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import type { Descriptor } from "@varve/oci";

/** hardening.md, "Limits": a layer may inflate 1000:1 once it is past 1 GiB. */
const RATIO = 1000;
const FREE = 1024 ** 3;

/** Decompresses a layer; throws IMAGE_LAYER_TOO_LARGE when it inflates beyond any honest measure. */
export async function* limitInflation(
  packed: ByteStream,
  decompress: (packed: ByteStream) => ByteStream,
  descriptor: Pick<Descriptor, "digest" | "size">,
): AsyncGenerator<Uint8Array, void, undefined> {
  const limit = Math.max(FREE, descriptor.size * RATIO);
  let size = 0;
  for await (const piece of decompress(packed)) {
    size += piece.length;
    if (size > limit) {
      throw new VarveError("IMAGE_LAYER_TOO_LARGE", `layer ${descriptor.digest} of ${descriptor.size} bytes inflates to more than ${limit}`, {
        hint: "an honest layer never does; do not use this image",
      });
    }
    yield piece;
  }
}
