import { ReadableStream } from "node:stream/web";
import type { ByteStream } from "@varve/bytes";
import { XzReadableStream } from "xz-decompress";

/** An xz stream without its compression; streams one after the other are one. Throws the library's errors. */
export function inflateXz(stream: ByteStream): ByteStream {
  return new XzReadableStream(ReadableStream.from(stream) as never);
}
