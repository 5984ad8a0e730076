import { decompress, sniffCompression, SNIFF_LENGTH } from "@varve/archive";
import { type ByteStream, peekBytes } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import { inflateGzip } from "./gzip-inflater.ts";

/**
 * A stream without its compression, found by its first bytes: what `decompress` knows, and the two forms that archives for ADD come in
 * but layers never do, bzip2 and xz. Damage, and what follows the end, is ARCHIVE_MALFORMED_COMPRESSION, after all that precedes it was given: who
 * stops at a tar's end reads archives that were padded or written behind, as BuildKit does. Owns `stream`.
 */
export async function* decompressArchive(stream: ByteStream): AsyncGenerator<Uint8Array, void, undefined> {
  const { head, stream: whole } = await peekBytes(stream, SNIFF_LENGTH);
  const compression = sniffCompression(head);
  // loaded when needed only: hardly any build has such an archive, and every start would pay
  if (compression === "xz") yield* guarded((await import("./xz-inflater.ts")).inflateXz(whole), "xz");
  else if (compression === "bzip2") yield* guarded((await import("./bzip2-inflater.ts")).inflateBzip2(whole), "bzip2");
  else if (compression === "gzip") yield* guarded(inflateGzip(whole), "gzip");
  else yield* decompress(whole);
}

async function* guarded(stream: ByteStream, compression: string): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    for await (const piece of stream) yield piece;
  } catch (cause) {
    if (cause instanceof VarveError) throw cause;
    throw new VarveError("ARCHIVE_MALFORMED_COMPRESSION", `the ${compression} stream cannot be decompressed`, { cause, hint: "it is truncated or corrupt" });
  }
}
