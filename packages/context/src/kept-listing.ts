import { createHash } from "node:crypto";

/** What `find` printed of a directory when something was made of it, and what whoever made it wants to know of it later. */
export interface KeptListing {
  /** What it is of, and how it was asked for: whoever asks for something else has none. */
  readonly terms: string;
  /** As it was printed. */
  readonly bytes: Buffer;
  /** Where each row starts, and where the last one ends. */
  readonly starts: Uint32Array<ArrayBuffer>;
  /** Rows that had just changed, and so could change again without a trace. */
  readonly doubtful: Uint32Array<ArrayBuffer>;
  /** The latest ctime, milliseconds since the epoch. */
  readonly newest: number;
  /** Rows of the files that count, in an order of their own. */
  readonly files: Uint32Array<ArrayBuffer>;
  /** Of each of them device, inode, size, mtime and ctime in nanoseconds. */
  readonly states: BigInt64Array<ArrayBuffer>;
  readonly note: Uint8Array;
}

const MAGIC = 0x314c4b56;
const HEADER = 80;
const DIGEST = 32;
/** Where the digest of all that follows the header is. */
const DIGEST_AT = 40;

/** A kept listing as bytes, for a file on this machine. */
export function encodeKeptListing({ terms, bytes, starts, doubtful, newest, files, states, note }: KeptListing): readonly Uint8Array[] {
  const text = Buffer.from(terms);
  const parts: Uint8Array[] = [states, starts, doubtful, files].map((column) => new Uint8Array(column.buffer, column.byteOffset, column.byteLength));
  parts.push(text, note, bytes);
  const header = Buffer.alloc(HEADER);
  const lengths = [MAGIC, states.length, starts.length, doubtful.length, files.length, text.length, note.length, bytes.length];
  for (const [i, length] of lengths.entries()) header.writeUInt32LE(length, 4 * i);
  header.writeDoubleLE(newest, 32);
  digestOf(header, parts).copy(header, DIGEST_AT);
  return [header, ...parts];
}

/** What {@link encodeKeptListing} gave, whose parts it is made of; `undefined` for anything else. */
export function decodeKeptListing(encoded: Uint8Array<ArrayBuffer>): KeptListing | undefined {
  if (encoded.length < HEADER) return undefined;
  // columns of eight bytes begin at multiples of eight
  const file = encoded.byteOffset % 8 === 0 ? Buffer.from(encoded.buffer, encoded.byteOffset, encoded.length) : aligned(encoded);
  const [magic, states = 0, starts = 0, doubtful = 0, files = 0, text = 0, note = 0, size = 0] = Array.from({ length: 8 }, (_, i) => file.readUInt32LE(4 * i));
  if (magic !== MAGIC || file.length !== HEADER + 8 * states + 4 * (starts + doubtful + files) + text + note + size) return undefined;
  if (!digestOf(file, [file.subarray(HEADER)]).equals(file.subarray(DIGEST_AT, DIGEST_AT + DIGEST))) return undefined;
  let at = HEADER;
  const take = (length: number): Buffer => file.subarray(at, (at += length));
  const numbers = (length: number): Uint32Array<ArrayBuffer> => {
    const { buffer, byteOffset } = take(4 * length);
    return new Uint32Array(buffer as ArrayBuffer, byteOffset, length);
  };
  const column = take(8 * states);
  return {
    states: new BigInt64Array(column.buffer as ArrayBuffer, column.byteOffset, states),
    starts: numbers(starts),
    doubtful: numbers(doubtful),
    files: numbers(files),
    terms: take(text).toString(),
    note: take(note),
    bytes: take(size),
    newest: file.readDoubleLE(32),
  };
}

function digestOf(header: Buffer, parts: readonly Uint8Array[]): Buffer {
  const hash = createHash("sha256").update(header.subarray(0, DIGEST_AT));
  for (const part of parts) hash.update(part);
  return hash.digest();
}

function aligned(bytes: Uint8Array): Buffer {
  const copy = new Uint8Array(bytes.length);
  copy.set(bytes);
  return Buffer.from(copy.buffer);
}
