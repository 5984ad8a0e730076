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
  /** At the next entry. */
  readonly #input: IndexReader;
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
    this.#input = new IndexReader(bytes, at);
    if (prefix.length > this.#path.length) this.#path = new Uint8Array(2 * prefix.length);
    this.#path.set(prefix);
    this.#pathLength = prefix.length;
  }

  /** Where the entry ends. */
  get end(): number {
    return this.#input.at;
  }

  /** Of the path, without a slash behind a directory's. */
  get pathLength(): number {
    return this.#pathLength;
  }

  /** Goes to the next entry; `false` at the end. Throws LAYER_INVALID_INDEX. */
  next(): boolean {
    if (this.#input.atEnd) return false;
    this.start = this.#input.at;
    const mark = this.#input.number();
    const kind = RECORD_KINDS[mark & 0x0f];
    this.shared = this.#input.number();
    if (kind === undefined || this.shared > this.#pathLength) throw invalidIndex("an entry in it is malformed");
    this.kind = kind;
    this.#readPath();
    this.mode = this.mtime = this.uid = this.gid = this.size = this.offset = 0;
    this.digestStart = undefined;
    this.link = NOTHING;
    this.#hasXattrs = (mark & HAS_XATTRS) !== 0;
    if (kind !== "whiteout" && kind !== "opaque") this.#readState(kind, mark);
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
    const record = readRecord(new IndexReader(this.#bytes, this.start), previous);
    return encodeTarHeader(describeRecord({ ...record, mtime: this.mtime, size: this.size }).header);
  }

  #readPath(): void {
    const rest = this.#input.raw(this.#input.number());
    const total = this.shared + rest.length;
    // one byte more, for a slash
    if (total >= this.#path.length) {
      const path = new Uint8Array(2 * total + 1);
      path.set(this.#path);
      this.#path = path;
    }
    this.#path.set(rest, this.shared);
    this.#path[total] = SLASH;
    this.#pathLength = total;
  }

  #readState(kind: LayerEntryKind, mark: number): void {
    const input = this.#input;
    this.mode = input.number();
    this.uid = input.number();
    this.gid = input.number();
    this.timeStart = input.at;
    this.mtime = input.signed();
    this.timeEnd = input.at;
    if (kind === "file") {
      this.size = input.number();
      this.offsetStart = input.at;
      this.offset = input.number();
      this.offsetEnd = input.at;
    }
    if ((mark & HAS_DIGEST) !== 0) {
      this.digestStart = input.at;
      input.skip(DIGEST);
    }
    if (kind === "symlink" || kind === "hardlink") {
      this.link = input.raw(input.number());
    } else if (kind === "char" || kind === "block") {
      input.number();
      input.number();
    }
    if (this.#hasXattrs) this.#skipXattrs();
  }

  #skipXattrs(): void {
    // a name and a value each
    for (let left = 2 * this.#input.number(); left > 0; left--) this.#input.skip(this.#input.number());
  }
}
