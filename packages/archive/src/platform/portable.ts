import type { ByteStream } from "@varve/bytes";
import { Gunzip } from "fflate";
import { sha256 } from "js-sha256";
import { corrupt } from "../compression-error.ts";
import { crc32Portably } from "../crc32-portable.ts";
import { compressGzipPortably, PORTABLE_GZIP } from "../gzip-portable.ts";
import type { Sha256 } from "../sha256.ts";
import type { ZstdPart } from "../zstd-frame.ts";
import { decodeZstdPortably, PORTABLE_WINDOW_LIMIT } from "../zstd-portable.ts";

export const ZSTD_WINDOW_LIMIT: number = PORTABLE_WINDOW_LIMIT;

export function startSha256(): Sha256 {
  const hash = sha256.create();
  return { update: (bytes) => void hash.update(bytes), hex: () => hash.hex() };
}

export function sha256OfBytes(bytes: Uint8Array): string {
  return sha256(bytes);
}

export async function sha256OfBytesAside(bytes: Uint8Array): Promise<string> {
  return sha256(bytes);
}

export function crc32OfBytes(bytes: Uint8Array): number {
  return crc32Portably(bytes);
}

/** One gzip member, made on this thread. */
export async function compressGzip(bytes: Uint8Array, level: number): Promise<Uint8Array> {
  return compressGzipPortably(bytes, level);
}

export const GZIP_LIBRARY: string = PORTABLE_GZIP;

export const ZSTD_LIBRARY: string | undefined = undefined;

export const ZSTD_REMEDY = "use gzip";

export function compressZstd(): Promise<Uint8Array> {
  return Promise.reject(new TypeError("there is no zstd here"));
}

/** Input pieces are cut to this, so that a piece of nothing but zeros inflates to 16 MiB at most. */
const PIECE = 16 * 1024;
const TRAILER = 8;

/** Inflates members one after the other, checking each one's trailer (RFC 1952, 2.3.1), which fflate leaves out. */
export async function* inflateGzip(stream: ByteStream): AsyncGenerator<Uint8Array, void, undefined> {
  const out: Uint8Array[] = [];
  const member = { crc: 0, size: 0 };
  /** The last bytes of the input, and where they start in it. */
  let tail: Uint8Array = new Uint8Array(0);
  let tailStart = 0;
  const checkTrailer = (end: number): void => {
    const at = end - TRAILER - tailStart;
    if (at < 0 || little(tail, at) !== member.crc || little(tail, at + 4) !== member.size >>> 0) throw corrupt("gzip");
    member.crc = 0;
    member.size = 0;
  };
  const gunzip = new Gunzip((bytes) => {
    member.crc = crc32Portably(bytes, member.crc);
    member.size += bytes.length;
    if (bytes.length > 0) out.push(bytes);
  });
  gunzip.onmember = checkTrailer;
  const push = (bytes: Uint8Array, final: boolean): void => {
    // a header of the next member may have begun some pieces ago
    const keep = tail.subarray(Math.max(0, tail.length - PIECE));
    const next = new Uint8Array(keep.length + bytes.length);
    next.set(keep);
    next.set(bytes, keep.length);
    tailStart += tail.length - keep.length;
    tail = next;
    try {
      gunzip.push(bytes, final);
    } catch (cause) {
      throw corrupt("gzip", cause);
    }
  };
  for await (const piece of stream) {
    for (let at = 0; at < piece.length; at += PIECE) {
      push(piece.slice(at, at + PIECE), false);
      yield* out.splice(0);
    }
  }
  push(new Uint8Array(0), true);
  yield* out.splice(0);
  checkTrailer(tailStart + tail.length);
}

export function decodeZstd(parts: AsyncIterable<ZstdPart>): ByteStream {
  return decodeZstdPortably(parts);
}

function little(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24)) >>> 0;
}
