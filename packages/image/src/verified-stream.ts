import { createHash } from "node:crypto";
import type { ByteStream } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import { type Descriptor, digestFromHex } from "@varve/oci";

/** Passes a stream on; ends it with IMAGE_LAYER_MISMATCH when its digest or size is not the descriptor's. */
export async function* verifiedStream(stream: ByteStream, expected: Pick<Descriptor, "digest" | "size">): AsyncGenerator<Uint8Array, void, undefined> {
  const hash = createHash("sha256");
  let size = 0;
  for await (const piece of stream) {
    size += piece.length;
    if (size > expected.size) throw mismatch(expected, `it is longer than ${expected.size} bytes`);
    hash.update(piece);
    yield piece;
  }
  if (size !== expected.size) throw mismatch(expected, `it has ${size} bytes instead of ${expected.size}`);
  const found = digestFromHex(hash.digest("hex"));
  if (found !== expected.digest) throw mismatch(expected, `its digest is ${found}`);
}

function mismatch(expected: Pick<Descriptor, "digest">, why: string): VarveError {
  return new VarveError("IMAGE_LAYER_MISMATCH", `content of ${expected.digest} is corrupt: ${why}`);
}
