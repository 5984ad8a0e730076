import type { ByteStream } from "@varve/bytes";
import createInflater from "unbzip2-stream";

/**
 * A bzip2 stream without its compression; streams one after the other are one. Throws the library's errors. It is driven by hand, not by
 * a pipe: the library throws what it finds wrong out of `write` and `end`, where a pipe could not catch it.
 */
export async function* inflateBzip2(stream: ByteStream): AsyncGenerator<Uint8Array, void, undefined> {
  const inflated: Uint8Array[] = [];
  const failures: unknown[] = [];
  const inflater: NodeJS.ReadWriteStream = createInflater();
  inflater.on("data", (piece: Uint8Array) => inflated.push(piece));
  inflater.on("error", (error: unknown) => failures.push(error));
  for await (const piece of stream) {
    inflater.write(Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength));
    yield* inflated.splice(0);
    if (failures.length > 0) throw failures[0];
  }
  inflater.end();
  yield* inflated.splice(0);
  if (failures.length > 0) throw failures[0];
}
