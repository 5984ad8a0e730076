import type { ByteStream } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import { corrupt } from "./compression-error.ts";
import { StreamReader } from "./stream-reader.ts";

/** A part of a zstd frame. */
export interface ZstdPart {
  readonly bytes: Uint8Array;
  /** Whether the frame ends with this part. */
  readonly last: boolean;
}

const MAGIC = 0xfd2fb528;
const SKIPPABLE = 0x184d2a50;

/**
 * Follows the frames of a zstd stream (RFC 8878, 3.1) without decoding them, skippable ones left out, so that truncation, garbage between or
 * after frames and windows past `windowLimit` bytes are errors whatever decodes them. Throws ARCHIVE_MALFORMED_COMPRESSION or
 * ARCHIVE_UNSUPPORTED_COMPRESSION.
 */
export async function* readZstdFrames(stream: ByteStream, windowLimit: number): AsyncGenerator<ZstdPart, void, undefined> {
  await using reader = new StreamReader(stream);
  for (let first = true; ; first = false) {
    const magic = await reader.take(4);
    if (magic.length === 0 && !first) return;
    if (magic.length < 4) throw corrupt("zstd");
    const number = readLittleEndian(magic, 0, 4);
    if ((number & 0xfffffff0) >>> 0 === SKIPPABLE) await skipFrame(reader);
    else if (number === MAGIC) yield* readFrame(reader, magic, windowLimit);
    else throw corrupt("zstd", undefined, "followed by other data");
  }
}

async function skipFrame(reader: StreamReader): Promise<void> {
  const size = readLittleEndian(await exactly(reader, 4), 0, 4);
  if (!(await reader.skip(size))) throw corrupt("zstd");
}

async function* readFrame(reader: StreamReader, magic: Uint8Array, windowLimit: number): AsyncGenerator<ZstdPart, void, undefined> {
  const descriptor = (await exactly(reader, 1))[0] ?? 0;
  const singleSegment = (descriptor & 0x20) !== 0;
  const sizeBytes = [singleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] ?? 0;
  if ((descriptor & 0x08) !== 0) throw corrupt("zstd");
  const rest = await exactly(reader, (singleSegment ? 0 : 1) + dictionaryBytes + sizeBytes);
  const window = singleSegment ? contentSize(rest, dictionaryBytes, sizeBytes) : windowSize(rest[0] ?? 0);
  if (window > windowLimit) {
    throw new VarveError("ARCHIVE_UNSUPPORTED_COMPRESSION", `a zstd frame needs a window of ${window} bytes, more than ${windowLimit}`, {
      hint: "compress without --long, or with a smaller window",
    });
  }
  if (readLittleEndian(rest, singleSegment ? 0 : 1, dictionaryBytes) !== 0)
    throw new VarveError("ARCHIVE_UNSUPPORTED_COMPRESSION", "a zstd frame needs a dictionary");
  yield { bytes: magic, last: false };
  yield { bytes: Uint8Array.of(descriptor, ...rest), last: false };
  yield* readBlocks(reader, (descriptor & 0x04) !== 0);
}

async function* readBlocks(reader: StreamReader, hasChecksum: boolean): AsyncGenerator<ZstdPart, void, undefined> {
  for (let last = false; !last;) {
    const header = await exactly(reader, 3);
    const bits = readLittleEndian(header, 0, 3);
    last = (bits & 1) === 1;
    const type = (bits >> 1) & 3;
    if (type === 3) throw corrupt("zstd");
    // an RLE block is one byte, repeated
    const body = await exactly(reader, type === 1 ? 1 : bits >> 3);
    yield { bytes: header, last: false };
    yield { bytes: body, last: last && !hasChecksum };
  }
  if (hasChecksum) yield { bytes: await exactly(reader, 4), last: true };
}

function contentSize(bytes: Uint8Array, at: number, length: number): number {
  return readLittleEndian(bytes, at, length) + (length === 2 ? 256 : 0);
}

function windowSize(byte: number): number {
  const base = 2 ** (10 + (byte >> 3));
  return base + (base / 8) * (byte & 7);
}

function readLittleEndian(bytes: Uint8Array, at: number, length: number): number {
  let value = 0;
  for (let i = at + length - 1; i >= at; i--) value = value * 256 + (bytes[i] ?? 0);
  return value;
}

async function exactly(reader: StreamReader, size: number): Promise<Uint8Array> {
  const bytes = await reader.take(size);
  if (bytes.length < size) throw corrupt("zstd");
  return bytes;
}
