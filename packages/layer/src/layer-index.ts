import { concatBytes } from "@varve/bytes";
import { type Digest, type DiffID, parseDiffID } from "@varve/oci";
import { IndexReader, IndexWriter, invalidIndex } from "./index-encoding.ts";
import type { LayerEntry } from "./layer-entry.ts";
import { readRecord, writeRecord } from "./layer-record.ts";

/** A stretch of a layer's uncompressed tar that is compressed by itself. Segments follow one another without gaps. */
export interface Segment {
  /** Bytes from the start of the tar. */
  readonly offset: number;
  readonly size: number;
  /** sha256 of the stretch. */
  readonly digest: Digest;
  /** CRC-32 of the stretch, of layers made from files: by it bytes that should be the same are found to be. */
  readonly crc32?: number | undefined;
}

/** What a compressed segment is checked by: its CRC-32, or its sha256 where an earlier version of varve wrote the index. */
export type MemberCheck = number | Digest;

/** How the segments lie in one compressed form of the layer. */
export interface SegmentTable {
  /** The compressed blob. */
  readonly blob: Digest;
  /** What made it, for reuse: codec, level, library version and architecture, e.g. `gzip-6 zlib-1.3.1 x64`. */
  readonly encoding: string;
  /** Compressed size of each segment, in bytes; the first starts at 0, each where the one before ends. */
  readonly sizes: readonly number[];
  /** What is copied out of the blob is checked by these, one a segment. */
  readonly members: readonly MemberCheck[];
}

/** All that is to be known of a layer without its content: made once per diffID, stored, merged into trees. */
export interface LayerIndex {
  readonly diffID: DiffID;
  /** Bytes of the uncompressed tar. */
  readonly size: number;
  /** How many entries there are, whiteouts included. */
  readonly entryCount: number;
  /** In the tar's order. They are kept encoded; each call makes them again. */
  entries(): Iterable<LayerEntry>;
  readonly segments: readonly Segment[];
  /** One per blob that is known to hold the segments. */
  readonly tables: readonly SegmentTable[];
}

/** Collects what a {@link LayerIndex} holds, while a tar is read or written. */
export interface LayerIndexBuilder {
  readonly add: (entry: LayerEntry) => void;
  readonly finish: (layer: { readonly diffID: DiffID; readonly size: number; readonly segments: readonly Segment[] }) => LayerIndex;
}

const MAGIC = Uint8Array.of(0x76, 0x6c, 0x69);
const VERSION = 3;
/** Without CRCs: its segments have none, and its members digests. */
const VERSION_WITHOUT_CRC = 2;

/** Starts an index. */
export function createLayerIndexBuilder(): LayerIndexBuilder {
  const records = new RecordWriter();
  let count = 0;
  return {
    add(entry) {
      records.add(entry);
      count++;
    },
    finish: (layer) => indexOf({ ...layer, entryCount: count, tables: [] }, records.finish()),
  };
}

/** Encoded entries in pieces, none of which divides an entry: one buffer would be copied whenever it grows, and be there twice meanwhile. */
type Records = readonly Uint8Array[];

/** Bytes after which a piece of {@link Records} ends. */
const PIECE = 256 * 1024;

class RecordWriter {
  readonly #pieces: Uint8Array[] = [];
  #last = new IndexWriter();
  #previous = "";

  add(entry: LayerEntry): void {
    writeRecord(this.#last, entry, this.#previous);
    this.#previous = entry.path;
    if (this.#last.length < PIECE) return;
    this.#pieces.push(this.#last.finish());
    // an entry more, usually
    this.#last = new IndexWriter(PIECE + 1024);
  }

  finish(): Records {
    const last = this.#last.finish();
    // what is spare of a whole piece would stay
    return last.length === 0 ? this.#pieces : [...this.#pieces, last.slice()];
  }
}

/** The index with one more blob's table, which replaces an older one of the same blob. */
export function withSegmentTable(index: LayerIndex, table: SegmentTable): LayerIndex {
  return indexOf({ ...index, tables: [...index.tables.filter((known) => known.blob !== table.blob), table] }, recordsOf(index));
}

/** Its entries as they are encoded, in one piece. */
export function encodedEntries(index: LayerIndex): Uint8Array {
  return concatBytes(recordsOf(index));
}

/** An index of entries that are encoded already, without tables. */
export function indexOfEntries(layer: Pick<LayerIndex, "diffID" | "size" | "entryCount" | "segments">, entries: Uint8Array): LayerIndex {
  return indexOf({ ...layer, tables: [] }, [entries]);
}

/** The index as bytes, for the store: in pieces, since it may be large. */
export function encodeLayerIndex(index: LayerIndex): readonly Uint8Array[] {
  const out = new IndexWriter();
  out.raw(MAGIC);
  out.number(VERSION);
  out.digest(index.diffID);
  out.number(index.size);
  out.number(index.entryCount);
  out.number(index.segments.length);
  for (const segment of index.segments) {
    out.number(segment.size);
    out.digest(segment.digest);
  }
  writeCrcs(
    out,
    index.segments.map((segment) => segment.crc32),
  );
  out.number(index.tables.length);
  for (const table of index.tables) {
    out.digest(table.blob);
    out.text(table.encoding);
    out.number(table.sizes.length);
    for (const size of table.sizes) out.number(size);
    const crcs = table.members.map((member) => (typeof member === "number" ? member : undefined));
    if (!writeCrcs(out, crcs)) for (const member of table.members) if (typeof member === "string") out.digest(member);
  }
  const records = recordsOf(index);
  out.number(records.reduce((sum, piece) => sum + piece.length, 0));
  return [out.finish(), ...records];
}

/** The index that {@link encodeLayerIndex} wrote. Throws LAYER_INVALID_INDEX for anything else, another version's included. */
export function decodeLayerIndex(bytes: Uint8Array): LayerIndex {
  const input = new IndexReader(bytes);
  const magic = input.raw(MAGIC.length);
  if (!MAGIC.every((byte, i) => byte === magic[i])) throw invalidIndex("it is no layer index");
  const version = input.number();
  if (version !== VERSION && version !== VERSION_WITHOUT_CRC) throw invalidIndex("another version of varve wrote it");
  const diffID = parseDiffID(input.digest());
  const size = input.number();
  const entryCount = input.number();
  const segments = readSegments(input, version);
  const tables = Array.from({ length: boundedCount(input, bytes) }, () => readTable(input, bytes, version));
  const records = input.raw(input.number());
  if (!input.atEnd) throw invalidIndex("something follows its end");
  return indexOf({ diffID, size, entryCount, segments, tables }, [records]);
}

const RECORDS: unique symbol = Symbol("records");
type StoredIndex = LayerIndex & { readonly [RECORDS]: Records };

function indexOf(layer: Omit<LayerIndex, "entries">, records: Records): LayerIndex {
  const { diffID, size, entryCount, segments, tables } = layer;
  const index: StoredIndex = { diffID, size, entryCount, segments, tables, entries: () => readRecords(records), [RECORDS]: records };
  return index;
}

function recordsOf(index: LayerIndex): Records {
  if (RECORDS in index) return (index as StoredIndex)[RECORDS];
  const out = new RecordWriter();
  for (const entry of index.entries()) out.add(entry);
  return out.finish();
}

function* readRecords(records: Records): Generator<LayerEntry, void, undefined> {
  let previous = "";
  for (const piece of records) {
    const input = new IndexReader(piece);
    while (!input.atEnd) {
      const entry = readRecord(input, previous);
      previous = entry.path;
      yield entry;
    }
  }
}

/** Writes CRCs if there is one of each; says whether. */
function writeCrcs(out: IndexWriter, crcs: readonly (number | undefined)[]): boolean {
  const known = crcs.filter((crc) => crc !== undefined);
  const isWhole = known.length === crcs.length;
  out.number(isWhole ? 1 : 0);
  if (isWhole) for (const crc of known) out.number(crc);
  return isWhole;
}

/** What {@link writeCrcs} wrote; `undefined` where there were none. */
function readCrcs(input: IndexReader, count: number, version: number): readonly number[] | undefined {
  if (version === VERSION_WITHOUT_CRC || input.number() === 0) return undefined;
  return Array.from({ length: count }, () => input.number());
}

function readSegments(input: IndexReader, version: number): readonly Segment[] {
  const segments: Segment[] = [];
  let offset = 0;
  for (let left = input.number(); left > 0; left--) {
    const size = input.number();
    segments.push({ offset, size, digest: input.digest() });
    offset += size;
  }
  const crcs = readCrcs(input, segments.length, version);
  return crcs === undefined ? segments : segments.map((segment, i) => ({ ...segment, crc32: crcs[i] }));
}

function readTable(input: IndexReader, bytes: Uint8Array, version: number): SegmentTable {
  const blob = input.digest();
  const encoding = input.text();
  const sizes = Array.from({ length: boundedCount(input, bytes) }, () => input.number());
  return { blob, encoding, sizes, members: readCrcs(input, sizes.length, version) ?? sizes.map(() => input.digest()) };
}

/** A count can't be larger than the bytes there are; a damaged one must not reserve memory. */
function boundedCount(input: IndexReader, bytes: Uint8Array): number {
  const count = input.number();
  if (count > bytes.length) throw invalidIndex("a count in it is too large");
  return count;
}
