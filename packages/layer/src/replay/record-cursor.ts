import { encodeTarHeader, fitsPlainHeader, type PlainHeader, TAR_BLOCK, type TarEntryType, writePlainHeader } from "@varve/archive";
import { bytePathFromBytes } from "@varve/bytes";
import { IndexReader, invalidIndex } from "../index-encoding.ts";
import type { LayerEntryKind } from "../layer-entry.ts";
import { describeRecord } from "../layer-header.ts";
import { HAS_DIGEST, HAS_XATTRS, RECORD_KINDS, readRecord } from "../layer-record.ts";

const SLASH = 0x2f;
const DIGEST = 32;
const NOTHING = new Uint8Array(0);

/** Goes through encoded entries of an index, and gives what their headers are made of, without an object or a text for each. */
export class RecordCursor implements PlainHeader {
  readonly #bytes: Uint8Array;
  /** Where the next entry begins. */
  #at: number;
  #path = new Uint8Array(512);
  #pathLength = 0;
  #hasXattrs = false;
  /** Where the entry begins. */
  start = 0;
  kind: LayerEntryKind = "file";
  /** Bytes its path has in common with the one before. */
  shared = 0;
  /** Of a link. */
  link: Uint8Array = NOTHING;
  mode = 0;
  uid = 0;
  gid = 0;
  mtime = 0;
  size = 0;
  /** Of a file's content in the tar. */
  offset = 0;
  /** Where the mtime begins, and where it ends. */
  timeStart = 0;
  timeEnd = 0;
  /** Where the offset begins, and where it ends. */
  offsetStart = 0;
  offsetEnd = 0;
  /** Where the digest begins. */
  digestStart: number | undefined;

  /** `prefix` is what the first entry's path has in common with the one before. */
  constructor(bytes: Uint8Array, at = 0, prefix: Uint8Array = NOTHING) {
    this.#bytes = bytes;
    this.#at = at;
    if (prefix.length > this.#path.length) this.#path = new Uint8Array(2 * prefix.length);
    this.#path.set(prefix);
    this.#pathLength = prefix.length;
  }

  /** Where the entry ends. */
  get end(): number {
    return this.#at;
  }

  /** Of the path, without a slash behind a directory's. */
  get pathLength(): number {
    return this.#pathLength;
  }

  /** Goes to the next entry; `false` at the end. Throws LAYER_INVALID_INDEX. */
  next(): boolean {
    if (this.#at >= this.#bytes.length) return false;
    this.start = this.#at;
    const mark = this.#number();
    const kind = RECORD_KINDS[mark & 0x0f];
    this.shared = this.#number();
    if (kind === undefined || this.shared > this.#pathLength) throw invalidIndex("an entry in it is malformed");
    this.kind = kind;
    this.#readPath();
    this.mode = this.mtime = this.uid = this.gid = this.size = this.offset = 0;
    this.digestStart = undefined;
    this.link = NOTHING;
    this.#hasXattrs = (mark & HAS_XATTRS) !== 0;
    if (kind !== "whiteout" && kind !== "opaque") this.#readState(kind, mark);
    if (this.#at > this.#bytes.length) throw invalidIndex("it is truncated");
    return true;
  }

  /** The path, or what follows its first bytes; a view that lasts until the next entry. */
  path(from = 0): Uint8Array {
    return this.#path.subarray(from, this.#pathLength);
  }

  /** The path, then a slash when it is a directory's. */
  get name(): Uint8Array {
    return this.#path;
  }

  get nameLength(): number {
    return this.kind === "directory" ? this.#pathLength + 1 : this.#pathLength;
  }

  get type(): TarEntryType {
    return this.kind as TarEntryType;
  }

  /** Bytes of the entry's header in the tar. */
  headerLength(): number {
    return this.#isPlain() ? TAR_BLOCK : this.#header().length;
  }

  /** Writes the header; gives its length. */
  writeHeader(out: Uint8Array, at: number): number {
    if (this.#isPlain()) {
      writePlainHeader(out, at, this);
      return TAR_BLOCK;
    }
    const header = this.#header();
    out.set(header, at);
    return header.length;
  }

  #isPlain(): boolean {
    const { kind } = this;
    if (this.#hasXattrs || !(kind === "file" || kind === "directory" || kind === "symlink" || kind === "hardlink")) return false;
    // the root has a name of its own
    return this.#pathLength > 0 && fitsPlainHeader(this);
  }

  #header(): Uint8Array {
    const previous = bytePathFromBytes(this.#path.subarray(0, this.shared));
    const record = readRecord(new IndexReader(this.#bytes.subarray(this.start, this.#at)), previous);
    return encodeTarHeader(describeRecord({ ...record, mtime: this.mtime, size: this.size }).header);
  }

  #readPath(): void {
    const length = this.#number();
    const total = this.shared + length;
    // one byte more, for a slash
    if (total >= this.#path.length) {
      if (total > this.#bytes.length + this.shared) throw invalidIndex("it is truncated");
      const path = new Uint8Array(2 * total + 1);
      path.set(this.#path);
      this.#path = path;
    }
    for (let i = this.shared; i < total; i++) this.#path[i] = this.#bytes[this.#at++] ?? 0;
    this.#path[total] = SLASH;
    this.#pathLength = total;
  }

  #readState(kind: LayerEntryKind, mark: number): void {
    this.mode = this.#number();
    this.uid = this.#number();
    this.gid = this.#number();
    this.timeStart = this.#at;
    const time = this.#number();
    this.timeEnd = this.#at;
    this.mtime = time % 2 === 0 ? time / 2 : -(time + 1) / 2;
    if (kind === "file") {
      this.size = this.#number();
      this.offsetStart = this.#at;
      this.offset = this.#number();
      this.offsetEnd = this.#at;
    }
    if ((mark & HAS_DIGEST) !== 0) {
      this.digestStart = this.#at;
      this.#at += DIGEST;
    }
    if (kind === "symlink" || kind === "hardlink") {
      const length = this.#number();
      this.link = this.#bytes.subarray(this.#at, this.#at + length);
      this.#at += length;
    } else if (kind === "char" || kind === "block") {
      this.#number();
      this.#number();
    }
    if (this.#hasXattrs) this.#skipXattrs();
  }

  #skipXattrs(): void {
    // a name and a value each
    for (let left = 2 * this.#number(); left > 0; left--) {
      const length = this.#number();
      this.#at += length;
    }
  }

  #number(): number {
    let value = 0;
    for (let factor = 1; factor <= 2 ** 49; factor *= 0x80) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw invalidIndex("it is truncated");
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
    throw invalidIndex("a number in it is too large");
  }
}
