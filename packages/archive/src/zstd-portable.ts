import { VarveError } from "@varve/errors";
import { Decompress } from "fzstd";
import { corrupt } from "./compression-error.ts";
import type { ZstdPart } from "./zstd-frame.ts";

/** fzstd reads offsets of at most 25 bits right; a larger window could need more. */
export const PORTABLE_WINDOW_LIMIT: number = 32 * 1024 * 1024;

/** Decodes frames with fzstd, for where there is no native zstd. Content checksums are not verified: layers have a digest. */
export async function* decodeZstdPortably(parts: AsyncIterable<ZstdPart>): AsyncGenerator<Uint8Array, void, undefined> {
  const out: Uint8Array[] = [];
  const start = (): Decompress => new Decompress((bytes) => void (bytes.length > 0 && out.push(bytes)));
  let decoder = start();
  for await (const { bytes, last } of parts) {
    try {
      decoder.push(bytes, last);
    } catch (cause) {
      throw cause instanceof VarveError ? cause : corrupt("zstd", cause);
    }
    yield* out.splice(0);
    if (last) decoder = start();
  }
}
