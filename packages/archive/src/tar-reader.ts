import type { ByteStream } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import { parsePaxRecords, type PaxRecords } from "./pax-record.ts";
import { StreamReader } from "./stream-reader.ts";
import { malformed, TAR_BLOCK } from "./tar-block.ts";
import type { TarHeader } from "./tar-entry.ts";
import { decodeHeader, type Extensions, type RawHeader, readRawHeader } from "./tar-header-decoder.ts";

/** One entry while an archive is read. */
export interface TarReadEntry {
  readonly header: TarHeader;
  /** Where its first header block (a PAX or GNU one, when it has them) starts in the archive, in bytes. */
  readonly headerOffset: number;
  /** Where its content starts in the archive, in bytes. */
  readonly offset: number;
  /** `header.size` bytes; to be read once, before the next entry is asked for. What is left unread is skipped. */
  readonly content: ByteStream;
}

/** Limits of a read. */
export interface ReadTarOptions {
  readonly signal?: AbortSignal | undefined;
  /** Largest PAX or GNU record in bytes; 1 MiB by default. */
  readonly recordLimit?: number | undefined;
  /** Leaves what follows the end marker unread, as BuildKit does with archives for ADD; false by default. */
  readonly stopAtEnd?: boolean | undefined;
}

const RECORD_LIMIT = 1024 * 1024;
const NO_RECORDS: PaxRecords = new Map();
const NOTHING: Extensions = { global: NO_RECORDS, local: NO_RECORDS, longName: undefined, longLink: undefined };
/** What POSIX lets a global header say, but what would give every entry the same name or length: no program writes it. */
const NEVER_GLOBAL = ["path", "linkpath", "size"] as const;

/**
 * Reads a tar: v7, ustar, star, PAX (local and global records), GNU long names and base-256 numbers. Names and values are bytes. As
 * in Go's reader, links, directories and devices have no content whatever their size field says, and an archive may end
 * without its end marker. What follows the end marker is read and ignored, so that a source that verifies itself is read whole, unless `stopAtEnd`.
 * Throws ARCHIVE_MALFORMED_TAR, ARCHIVE_UNSUPPORTED_TAR or ARCHIVE_TAR_LIMIT. Owns `stream`.
 */
export async function* readTar(stream: ByteStream, options: ReadTarOptions = {}): AsyncGenerator<TarReadEntry, void, undefined> {
  await using reader = new StreamReader(stream);
  let extensions = NOTHING;
  let extended = false;
  let headerOffset = 0;
  for (;;) {
    options.signal?.throwIfAborted();
    if (!extended) headerOffset = reader.position;
    const raw = await nextHeader(reader);
    if (raw === undefined) break;
    const records = await readExtension(reader, raw, extensions, options.recordLimit ?? RECORD_LIMIT);
    if (records !== undefined) {
      extensions = records;
      extended ||= raw.flag !== "g";
      continue;
    }
    const header = decodeHeader(raw, extensions);
    const content = new EntryContent(reader, header.size);
    yield { header, headerOffset, offset: reader.position, content };
    await content.finish();
    extended = false;
    if (extensions !== NOTHING) extensions = { ...NOTHING, global: extensions.global };
  }
  if (extended) throw malformed("the archive ends with a PAX or GNU header that belongs to no entry");
  if (options.stopAtEnd !== true) await reader.drain();
}

/** The next header block; `undefined` at the end marker and at the end of the stream. */
async function nextHeader(reader: StreamReader): Promise<RawHeader | undefined> {
  const block = reader.takeAvailable(TAR_BLOCK) ?? (await reader.take(TAR_BLOCK));
  if (block.length === 0) return undefined;
  if (block.length < TAR_BLOCK) throw malformed("the archive ends within a header");
  if (!isZero(block)) return readRawHeader(block);
  const second = await reader.take(TAR_BLOCK);
  if (second.length > 0 && !isZero(second)) throw malformed("a block of zeros is followed by something other than the end");
  return undefined;
}

function isZero(block: Uint8Array): boolean {
  // a header's name comes first, so nearly every block is told by its first byte
  for (let i = 0; i < block.length; i++) if (block[i] !== 0) return false;
  return true;
}

/** What a PAX or GNU header adds to `before`; `undefined` when `raw` is an entry of its own. */
async function readExtension(reader: StreamReader, raw: RawHeader, before: Extensions, limit: number): Promise<Extensions | undefined> {
  if (raw.flag !== "x" && raw.flag !== "g" && raw.flag !== "L" && raw.flag !== "K") return undefined;
  if (raw.size > limit) throw new VarveError("ARCHIVE_TAR_LIMIT", `a PAX or GNU record of ${raw.size} bytes is larger than ${limit}`);
  const bytes = await reader.take(raw.size);
  if (bytes.length < raw.size || !(await skipPadding(reader, raw.size))) throw malformed("the archive ends within a PAX or GNU record");
  switch (raw.flag) {
    case "x":
      return { ...before, local: merge(before.local, parsePaxRecords(bytes)) };
    case "g":
      return { ...before, global: merge(before.global, globalRecords(bytes)) };
    case "L":
      return { ...before, longName: longText(bytes) };
    default:
      return { ...before, longLink: longText(bytes) };
  }
}

function globalRecords(bytes: Uint8Array): PaxRecords {
  const records = parsePaxRecords(bytes);
  for (const key of NEVER_GLOBAL) if ((records.get(key) ?? "") !== "") throw malformed(`a global PAX header sets ${key} for every entry`);
  return records;
}

function merge(before: PaxRecords, added: PaxRecords): PaxRecords {
  return before.size === 0 ? added : new Map([...before, ...added]);
}

/** GNU's long names end with a NUL; nothing may follow it but more of them. */
function longText(bytes: Uint8Array): string {
  const nul = bytes.indexOf(0);
  const end = nul < 0 ? bytes.length : nul;
  for (let i = end; i < bytes.length; i++) if (bytes[i] !== 0) throw malformed("a GNU long name holds a NUL");
  if (end === 0) throw malformed("a GNU long name is empty");
  let text = "";
  for (let i = 0; i < end; i += 8192) text += String.fromCharCode(...bytes.subarray(i, Math.min(end, i + 8192)));
  return text;
}

async function skipPadding(reader: StreamReader, size: number): Promise<boolean> {
  const over = size % TAR_BLOCK;
  return over === 0 || reader.takeAvailable(TAR_BLOCK - over) !== undefined || (await reader.skip(TAR_BLOCK - over));
}

class EntryContent implements ByteStream {
  readonly #reader: StreamReader;
  readonly #size: number;
  #left: number;
  #done = false;

  constructor(reader: StreamReader, size: number) {
    this.#reader = reader;
    this.#size = size;
    this.#left = size;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    if (this.#done && this.#size > 0) throw new TypeError("an entry's content was read after the next entry had been asked for");
    while (this.#left > 0 && !this.#done) {
      const piece = await this.#reader.takeSome(this.#left);
      if (piece === undefined) throw malformed("the archive ends within a file");
      this.#left -= piece.length;
      yield piece;
    }
  }

  /** Skips what is left, and the padding. */
  async finish(): Promise<void> {
    this.#done = true;
    if (this.#left > 0 && !(await this.#reader.skip(this.#left))) throw malformed("the archive ends within a file");
    if (this.#size > 0 && !(await skipPadding(this.#reader, this.#size))) throw malformed("the archive ends within a file's padding");
  }
}
