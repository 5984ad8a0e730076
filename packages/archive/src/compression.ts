import { type ByteStream, peekBytes } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import { decodeZstd, inflateGzip, ZSTD_WINDOW_LIMIT } from "#platform";
import { readZstdFrames } from "./zstd-frame.ts";

/** How a stream is compressed, by its first bytes. */
export type Compression = "gzip" | "zstd" | "bzip2" | "xz" | "none";

/** Where a tar says `ustar`. */
const USTAR = [257, Uint8Array.from([0x75, 0x73, 0x74, 0x61, 0x72])] as const;

/** Bytes {@link sniffCompression} wants to see. */
export const SNIFF_LENGTH: number = USTAR[0] + USTAR[1].length;

const MAGICS: readonly (readonly [Compression, readonly number[]])[] = [
  ["gzip", [0x1f, 0x8b]],
  ["zstd", [0x28, 0xb5, 0x2f, 0xfd]],
  ["bzip2", [0x42, 0x5a, 0x68]],
  ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
];

/** The compression that the first bytes ({@link SNIFF_LENGTH} or more, fewer of a shorter stream) tell. */
export function sniffCompression(head: Uint8Array): Compression {
  // a tar may begin with a file whose name begins as a compressed stream does
  if (USTAR[1].every((byte, i) => head[USTAR[0] + i] === byte)) return "none";
  for (const [compression, magic] of MAGICS) if (magic.every((byte, i) => head[i] === byte)) return compression;
  // zstd's skippable frames, 0x184d2a50 to 0x184d2a5f, may precede the data
  if (head[1] === 0x2a && head[2] === 0x4d && head[3] === 0x18 && ((head[0] ?? 0) & 0xf0) === 0x50) return "zstd";
  return "none";
}

/**
 * The stream without its compression, found by its first bytes unless it is told: gzip (any number of members), zstd (any number of frames, windows to 128 MiB,
 * 32 MiB before Node 22.15), or none. Truncation and anything after the end are ARCHIVE_MALFORMED_COMPRESSION; bzip2 and xz are
 * ARCHIVE_UNSUPPORTED_COMPRESSION. Owns `stream`.
 */
export async function* decompress(stream: ByteStream, told?: "gzip" | "zstd" | "none"): AsyncGenerator<Uint8Array, void, undefined> {
  const { head, stream: whole } = await peekBytes(stream, SNIFF_LENGTH);
  try {
    const compression = told ?? sniffCompression(head);
    switch (compression) {
      case "gzip":
        return yield* inflateGzip(whole) as AsyncIterable<Uint8Array>;
      case "zstd":
        return yield* decodeZstd(readZstdFrames(whole, ZSTD_WINDOW_LIMIT)) as AsyncIterable<Uint8Array>;
      case "none":
        return yield* whole;
      default:
        throw new VarveError("ARCHIVE_UNSUPPORTED_COMPRESSION", `the stream is compressed with ${compression}`, { hint: "use gzip, zstd or no compression" });
    }
  } finally {
    await whole.return();
  }
}
