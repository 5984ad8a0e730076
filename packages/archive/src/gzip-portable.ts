import type { GzipOptions } from "fflate";

/** What compresses: the version package.json pins, since another may give other bytes. */
export const PORTABLE_GZIP = "fflate-0.8.3";

/** One gzip member, made on this thread: the same bytes wherever JavaScript runs. */
export async function compressGzipPortably(bytes: Uint8Array, level: number): Promise<Uint8Array> {
  // most builds don't ask for it, and its tables take milliseconds
  const { gzipSync } = await import("fflate");
  return gzipSync(bytes, { level: level as NonNullable<GzipOptions["level"]>, mtime: 0 });
}
