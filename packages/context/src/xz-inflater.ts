import { ReadableStream } from "node:stream/web";
import type { ByteStream } from "@varve/bytes";
import { XzReadableStream } from "xz-decompress";

/** An xz stream without its compression; streams one after the other are one. Throws the library's errors. */
export async function* inflateXz(stream: ByteStream): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = new XzReadableStream(ReadableStream.from(stream) as never).getReader();
  try {
    for (let next = await reader.read(); next.value !== undefined; next = await reader.read()) yield next.value;
  } finally {
    // the library can't cancel what has come to its end
    await reader.cancel().catch(() => undefined);
  }
}
