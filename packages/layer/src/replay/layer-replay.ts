import { TAR_BLOCK, TAR_END } from "@varve/archive";
import type { Digest } from "@varve/oci";
import { IndexWriter, invalidIndex } from "../index-encoding.ts";
import { encodedEntries, type LayerIndex, type Segment } from "../layer-index.ts";
import { createSegmentCutter, STEP } from "../segment-cuts.ts";
import { RecordCursor } from "./record-cursor.ts";

/** What an entry of an earlier layer is now; all else of it is as it was. */
export interface EntryChange {
  /** Which entry it is, from 0; a file or a directory. */
  readonly entry: number;
  /** Whole seconds since the epoch. */
  readonly mtime: number;
  /** Of a file. */
  readonly size?: number;
  /** Of a file's content. */
  readonly digest?: Digest;
}

/** A segment of a replayed layer. */
export interface ReplayedSegment {
  readonly offset: number;
  readonly size: number;
  /** The segment of the earlier layer that it is, when none of its entries changed. */
  readonly expected: Segment | undefined;
  /** Where its first entry begins in the encoded entries; of a large file's second and further segments where that file does. */
  readonly record: number;
  /** What that entry's path has in common with the one before. */
  readonly prefix: Uint8Array;
  /** How many files are before that entry. */
  readonly file: number;
  /** Whether it is part of one entry, which has segments of its own. */
  readonly isLarge: boolean;
}

/** A layer that differs from an earlier one by some files' contents and by times: all of it but the contents. */
export interface LayerReplay {
  /** The entries, as an index has them. */
  readonly entries: Uint8Array;
  readonly entryCount: number;
  readonly segments: readonly ReplayedSegment[];
  /** sha256 of each file's content, 32 bytes each, in order. */
  readonly contents: Uint8Array;
}

/**
 * Makes a layer of an earlier one without going through trees: entries are copied as they are encoded, offsets shifted, cuts found anew. `changes`
 * are in the order of their entries. Throws LAYER_INVALID_INDEX where the index doesn't fit a layer that varve wrote.
 */
export function replayLayer(earlier: LayerIndex, changes: readonly EntryChange[]): LayerReplay {
  return new Replay(earlier, changes).run();
}

/** Bytes of a content with its padding. */
function padded(size: number): number {
  return Math.ceil(size / TAR_BLOCK) * TAR_BLOCK;
}

class Replay {
  readonly #earlier: LayerIndex;
  readonly #changes: readonly EntryChange[];
  readonly #old: Uint8Array;
  readonly #out: IndexWriter;
  readonly #contents: IndexWriter;
  readonly #cutter = createSegmentCutter();
  readonly #segments: ReplayedSegment[] = [];
  readonly #known = new Map<number, Segment>();
  /** Of the encoded entries what was copied so far. */
  #copied = 0;
  /** The segment that is being gathered. */
  #first = { offset: 0, record: 0, prefix: new Uint8Array(0), file: 0 };
  #isChanged = false;
  /** How much further back everything is than it was. */
  #shift = 0;

  constructor(earlier: LayerIndex, changes: readonly EntryChange[]) {
    this.#earlier = earlier;
    this.#changes = changes;
    this.#old = encodedEntries(earlier);
    this.#out = new IndexWriter(this.#old.length + 64 * changes.length + 1024);
    this.#contents = new IndexWriter(32 * earlier.entryCount);
    for (const segment of earlier.segments) this.#known.set(segment.offset, segment);
  }

  run(): LayerReplay {
    const cursor = new RecordCursor(this.#old);
    const nameOf = (): Uint8Array => (cursor.pathLength === 0 ? ROOT_NAME : cursor.name.subarray(0, cursor.nameLength));
    let start = 0;
    let files = 0;
    let count = 0;
    let next = 0;
    for (; cursor.next(); count++) {
      const { kind } = cursor;
      const change = this.#changes[next]?.entry === count ? this.#changes[next++] : undefined;
      const oldSize = cursor.size;
      const oldLength = cursor.headerLength();
      if (change !== undefined) {
        cursor.mtime = change.mtime;
        cursor.size = kind === "file" ? (change.size ?? oldSize) : 0;
      }
      const offset = start + (change === undefined ? oldLength : cursor.headerLength());
      if (kind === "file" && cursor.offset !== start - this.#shift + oldLength) throw invalidIndex("an entry in it is not where it must be");
      const end = offset + padded(cursor.size);
      this.#cutter.entry(start, end, nameOf);
      const isLarge = end - start >= STEP;
      if (isLarge) this.#close(start, false);
      if (start === this.#first.offset) {
        this.#first = { offset: start, record: this.#recordStart(cursor), prefix: cursor.path().slice(0, cursor.shared), file: files };
      }
      this.#isChanged ||= change !== undefined;
      this.#copy(cursor, change, offset);
      for (let cut = this.#cutter.after(this.#first.offset); cut <= end; cut = this.#cutter.after(this.#first.offset)) {
        this.#close(cut, isLarge);
        // what is left of a large file changed with it
        this.#isChanged = isLarge && cut < end && change !== undefined;
      }
      if (kind === "file") {
        this.#addDigest(cursor, change);
        files++;
      }
      if (change !== undefined) this.#shift += end - start - (oldLength + padded(oldSize));
      start = end;
    }
    if (next !== this.#changes.length || count !== this.#earlier.entryCount || start + TAR_END.length !== this.#earlier.size + this.#shift)
      throw invalidIndex("it is of another layer");
    this.#flush(this.#old.length);
    if (start === this.#first.offset) this.#first = { offset: start, record: this.#out.length, prefix: new Uint8Array(0), file: files };
    this.#close(start + TAR_END.length, false);
    return { entries: this.#out.finish(), entryCount: count, segments: this.#segments, contents: this.#contents.finish() };
  }

  #addDigest(cursor: RecordCursor, change: EntryChange | undefined): void {
    if (change?.digest !== undefined) this.#contents.digest(change.digest);
    else if (cursor.digestStart === undefined) throw invalidIndex("a file in it has no digest");
    else this.#contents.raw(this.#old.subarray(cursor.digestStart, cursor.digestStart + 32));
  }

  /** Where the entry begins in the new encoding. */
  #recordStart(cursor: RecordCursor): number {
    return this.#out.length + cursor.start - this.#copied;
  }

  /** Ends the segment at a cut. */
  #close(cut: number, isLarge: boolean): void {
    const { offset } = this.#first;
    const size = cut - offset;
    if (size <= 0) return;
    const before = this.#isChanged ? undefined : this.#known.get(offset - this.#shift);
    this.#segments.push({ ...this.#first, size, isLarge, expected: before?.size === size ? before : undefined });
    this.#first = { ...this.#first, offset: cut };
    this.#isChanged = false;
  }

  #copy(cursor: RecordCursor, change: EntryChange | undefined, offset: number): void {
    const isFile = cursor.kind === "file";
    if (change === undefined) {
      if (!isFile || offset === cursor.offset) return;
      this.#flush(cursor.offsetStart);
      this.#out.number(offset);
      this.#copied = cursor.offsetEnd;
      return;
    }
    this.#flush(cursor.timeStart);
    this.#out.signed(change.mtime);
    this.#copied = cursor.timeEnd;
    if (!isFile) return;
    this.#out.number(cursor.size);
    this.#out.number(offset);
    this.#copied = cursor.offsetEnd;
    if (change.digest === undefined || cursor.digestStart === undefined) return;
    this.#out.digest(change.digest);
    this.#copied = cursor.digestStart + 32;
  }

  /** Copies entries as they were up to a byte of their encoding. */
  #flush(to: number): void {
    this.#out.raw(this.#old.subarray(this.#copied, to));
    this.#copied = to;
  }
}

const ROOT_NAME = Uint8Array.of(0x2e, 0x2f);
