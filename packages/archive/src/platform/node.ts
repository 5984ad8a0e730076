import * as crypto from "node:crypto";
import type { Transform } from "node:stream";
import * as zlib from "node:zlib";
import { type ByteStream, ownRoom } from "@varve/bytes";
import { corrupt } from "../compression-error.ts";
import type { Sha256 } from "../sha256.ts";
import type { ZstdPart } from "../zstd-frame.ts";
import { decodeZstdPortably, PORTABLE_WINDOW_LIMIT } from "../zstd-portable.ts";

/** Bytes a decoder gives at once: fewer trips to the thread pool than Node's 16 KiB. */
const CHUNK = 256 * 1024;

interface ZstdOptions {
  readonly chunkSize: number;
  /** Of the whole input, in bytes. */
  readonly pledgedSrcSize?: number;
  readonly params: Readonly<Record<number, number>>;
}

/** node:zlib has zstd from 22.15 on; the typings of the oldest supported version don't know it. */
const { createZstdDecompress, zstdCompress } = zlib as {
  createZstdDecompress?: (options: ZstdOptions) => Transform;
  zstdCompress?: (bytes: Uint8Array, options: ZstdOptions, done: (error: Error | null, out: Uint8Array) => void) => void;
};
/** ZSTD_d_windowLogMax. */
const WINDOW_LOG_MAX = 100;
/** ZSTD_c_compressionLevel. */
const COMPRESSION_LEVEL = 100;
/** ZSTD_c_checksumFlag. */
const CHECKSUM = 201;

export const ZSTD_WINDOW_LIMIT: number = createZstdDecompress === undefined ? PORTABLE_WINDOW_LIMIT : 128 * 1024 * 1024;

export function startSha256(): Sha256 {
  const hash = crypto.createHash("sha256");
  return { update: (bytes) => void hash.update(bytes), hex: () => hash.digest("hex") };
}

/** node:crypto's `hash` came with 20.12; it spares small files two thirds of their hashing. */
export function sha256OfBytes(bytes: Uint8Array): string {
  return crypto.hash("sha256", bytes, "hex");
}

/** WebCrypto hashes on libuv's threads; it copies what it is given. */
export async function sha256OfBytesAside(bytes: Uint8Array): Promise<string> {
  return Buffer.from(await crypto.webcrypto.subtle.digest("SHA-256", bytes)).toString("hex");
}

export function crc32OfBytes(bytes: Uint8Array): number {
  return zlib.crc32(bytes);
}

/**
 * One gzip member on a libuv thread. The output buffer holds all of it, so that there is one trip to the thread pool instead of one for every
 * 16 KiB: those were a fifth of the main thread's work in a cold build.
 */
export function compressGzip(bytes: Uint8Array, level: number): Promise<Uint8Array> {
  // zlib's compressBound for streams that begin with the defaults, and the gzip header and trailer
  const chunkSize = bytes.length + (bytes.length >>> 12) + (bytes.length >>> 14) + (bytes.length >>> 25) + 64;
  return inOneChunk(chunkSize, (done) => zlib.gzip(bytes, { level, chunkSize }, done));
}

/** What {@link compressGzip} compresses with: equal texts, equal bytes. */
export const GZIP_LIBRARY: string = `zlib-${process.versions["zlib"] ?? "unknown"} ${process.arch}`;

/** As {@link GZIP_LIBRARY} for {@link compressZstd}; `undefined` where there is no zstd. "sized" tells its frames from those that did not say their size. */
export const ZSTD_LIBRARY: string | undefined = zstdCompress === undefined ? undefined : `zstd-${process.versions["zstd"] ?? "unknown"}-sized ${process.arch}`;

/** What to do where {@link ZSTD_LIBRARY} is `undefined`. */
export const ZSTD_REMEDY: string = `zstd came with Node 22.15, this is ${process.version}: use a newer Node, or gzip`;

/**
 * One zstd frame with a checksum, on a libuv thread. Must not be called without {@link ZSTD_LIBRARY}. Told the size, zstd takes a window no larger: level 22 would take 700 MB
 * for each megabyte under way, and its frames a reader that has 128 MiB for their window.
 */
export function compressZstd(bytes: Uint8Array, level: number): Promise<Uint8Array> {
  // ZSTD_compressBound: all in one trip, as above
  const chunkSize = bytes.length + (bytes.length >>> 8) + 1024;
  const params = { [COMPRESSION_LEVEL]: level, [CHECKSUM]: 1 };
  return inOneChunk(chunkSize, (done) => zstdCompress?.(bytes, { chunkSize, params, pledgedSrcSize: bytes.length }, done));
}

/** What a compressor gives when its output buffer of `chunkSize` holds all of it; the bytes own that buffer. */
function inOneChunk(chunkSize: number, compress: (done: (error: Error | null, out: Uint8Array) => void) => void): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    compress((error, out) => {
      if (error !== null) return reject(error);
      // otherwise several chunks were brought together, perhaps in Node's own pool
      if (out.buffer.byteLength === chunkSize) ownRoom(out);
      resolve(out);
    });
  });
}

/** Inflates members one after the other; what follows the last one is an error. */
export function inflateGzip(stream: ByteStream): ByteStream {
  return through(stream, zlib.createGunzip({ chunkSize: CHUNK }), "gzip");
}

/** Decodes frames whose structure and window have been checked. */
export function decodeZstd(parts: AsyncIterable<ZstdPart>): ByteStream {
  if (createZstdDecompress === undefined) return decodeZstdPortably(parts);
  return through(bytesOf(parts), createZstdDecompress({ chunkSize: CHUNK, params: { [WINDOW_LOG_MAX]: Math.log2(ZSTD_WINDOW_LIMIT) } }), "zstd");
}

async function* bytesOf(parts: AsyncIterable<ZstdPart>): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const { bytes } of parts) yield bytes;
}

interface Feeding {
  fed: number;
  /** What the source threw. */
  failure?: { readonly error: unknown };
}

/**
 * Feeds a decoder. It may end before its input does (node:zlib takes zeros after a member as padding, which other readers refuse):
 * the count of bytes it took tells.
 */
async function* through(
  source: ByteStream,
  decoder: Transform & { readonly bytesWritten?: number },
  what: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  const state: Feeding = { fed: 0 };
  const feeding = feed(source, decoder, state);
  try {
    for await (const piece of decoder as AsyncIterable<Uint8Array>) yield piece;
    await feeding;
  } catch (cause) {
    decoder.destroy();
    await feeding;
    // the source's own error is the truth; the decoder saw only that its input ended
    throw state.failure === undefined ? corrupt(what, cause) : state.failure.error;
  } finally {
    decoder.destroy();
    await feeding;
  }
  if (state.failure !== undefined) throw state.failure.error;
  if (decoder.bytesWritten !== undefined && decoder.bytesWritten < state.fed) throw corrupt(what, undefined, "followed by other data");
}

async function feed(source: ByteStream, decoder: Transform, state: Feeding): Promise<void> {
  try {
    for await (const piece of source) {
      if (decoder.destroyed) return;
      state.fed += piece.length;
      if (!decoder.write(piece)) await drained(decoder);
    }
    decoder.end();
  } catch (error) {
    // what came before it is given first
    state.failure ??= { error };
    decoder.end();
  }
}

/** Resolves when the decoder takes more, or never will. */
function drained(decoder: Transform): Promise<void> {
  return new Promise((resolve) => {
    const events = ["drain", "close", "end", "error"] as const;
    const done = (): void => {
      for (const event of events) decoder.off(event, done);
      resolve();
    };
    for (const event of events) decoder.on(event, done);
    if (decoder.destroyed || decoder.readableEnded || !decoder.writableNeedDrain) done();
  });
}
