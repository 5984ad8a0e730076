import type { BytePath } from "@varve/bytes";
import { ByteColumn } from "./byte-column.ts";
import { ContentColumn } from "./content-column.ts";
import type { Entry, EntryType } from "./entry.ts";

const TYPES: readonly EntryType[] = ["file", "directory", "symlink", "fifo", "char", "block"];
const DIRECTORY = 1;

/** What few entries have. */
interface Rarity {
  readonly linkTarget?: BytePath;
  readonly device?: { readonly major: number; readonly minor: number };
  readonly xattrs?: ReadonlyMap<string, Uint8Array>;
}

/** An entry without its place: rows don't know their parents, so that trees can share them. */
export type Row = Omit<Entry, "path" | "node">;

/**
 * Entries in columns: about a hundred bytes each, where an object of the same content takes five hundred. Rows are only appended;
 * a directory's row points at its children, which may be rows of older tables. Once a tree is finished its table no longer changes.
 */
export class EntryTable {
  #length = 0;
  #typeAndMode = new Uint16Array(16);
  #owner = new Uint32Array(32);
  #mtime = new Float64Array(16);
  #size = new Float64Array(16);
  #node = new Float64Array(16);
  #name = new Uint32Array(16);
  /** Of a directory: its first child in `#children`, how many it has, and how many entries are below it. */
  #below = new Uint32Array(48);
  #children = new Float64Array(16);
  #childrenLength = 0;
  readonly #names = new ByteColumn();
  readonly #contents = new ContentColumn();
  readonly #rare = new Map<number, Rarity>();

  get length(): number {
    return this.#length;
  }

  /** Appends a row; returns its number. */
  append(name: string, row: Row, node: number): number {
    const at = this.#length++;
    if (at === this.#typeAndMode.length) this.#resize(at * 2);
    this.#typeAndMode[at] = (TYPES.indexOf(row.type) << 12) | row.mode;
    this.#owner[2 * at] = row.uid;
    this.#owner[2 * at + 1] = row.gid;
    this.#mtime[at] = row.mtime;
    // a directory's size on disk is not a layer's concern
    const size = row.type === "file" ? row.size : 0;
    this.#size[at] = size;
    this.#node[at] = node;
    this.#name[at] = this.#names.append(name);
    this.#contents.set(at, row.type === "file" ? row.content : undefined, size);
    const { linkTarget, device, xattrs } = row;
    if (linkTarget !== undefined || device !== undefined || xattrs !== undefined) {
      this.#rare.set(at, {
        ...(linkTarget === undefined ? {} : { linkTarget }),
        ...(device === undefined ? {} : { device: { major: device.major, minor: device.minor } }),
        ...(xattrs === undefined ? {} : { xattrs }),
      });
    }
    return at;
  }

  /** The row as an entry at `path`. */
  read(at: number, path: BytePath): Entry {
    const typeAndMode = this.#typeAndMode[at] ?? 0;
    const size = this.#size[at] ?? 0;
    const content = this.#contents.get(at, size);
    const plain = {
      path,
      type: TYPES[typeAndMode >> 12] ?? "file",
      mode: typeAndMode & 0o7777,
      uid: this.#owner[2 * at] ?? 0,
      gid: this.#owner[2 * at + 1] ?? 0,
      mtime: this.#mtime[at] ?? 0,
      size,
      node: this.#node[at] ?? 0,
    };
    const rare = this.#rare.get(at);
    // spreads are slow, and most entries need none
    if (rare !== undefined) return content === undefined ? { ...plain, ...rare } : { ...plain, ...rare, content };
    if (content === undefined) return plain;
    const { type, mode, uid, gid, mtime, node } = plain;
    return { path, type, mode, uid, gid, mtime, size, node, content };
  }

  /** Whether two rows differ in what columns hold. `false` leaves links, devices, xattrs and contents to be compared. */
  differs(at: number, other: EntryTable, otherAt: number): boolean {
    return (
      this.#typeAndMode[at] !== other.#typeAndMode[otherAt] ||
      this.#size[at] !== other.#size[otherAt] ||
      this.#owner[2 * at] !== other.#owner[2 * otherAt] ||
      this.#owner[2 * at + 1] !== other.#owner[2 * otherAt + 1] ||
      Math.floor(this.#mtime[at] ?? 0) !== Math.floor(other.#mtime[otherAt] ?? 0)
    );
  }

  /** Whether the row is a directory without xattrs: columns say all there is of it. */
  isPlainDirectory(at: number): boolean {
    return this.isDirectory(at) && !this.#rare.has(at);
  }

  node(at: number): number {
    return this.#node[at] ?? 0;
  }

  isDirectory(at: number): boolean {
    return (this.#typeAndMode[at] ?? 0) >> 12 === DIRECTORY;
  }

  name(at: number): BytePath {
    return this.#names.read(this.#name[at] ?? 0) as BytePath;
  }

  /** The order of a row's name and `name`: negative, zero or positive. */
  compareName(at: number, name: string): number {
    return this.#names.compare(this.#name[at] ?? 0, name);
  }

  childCount(at: number): number {
    return this.#below[3 * at + 1] ?? 0;
  }

  /** A reference to the directory's child number `i`. */
  child(at: number, i: number): number {
    return this.#children[(this.#below[3 * at] ?? 0) + i] ?? 0;
  }

  /** How many entries the row stands for: itself and all below. */
  total(at: number): number {
    return 1 + (this.#below[3 * at + 2] ?? 0);
  }

  /** Gives a directory its children, sorted by name; `below` counts all entries under it. */
  setChildren(at: number, references: readonly number[], below: number): void {
    const first = this.#childrenLength;
    const length = first + references.length;
    if (length > this.#children.length) this.#children = grown(this.#children, new Float64Array(Math.max(length, this.#children.length * 2)));
    for (let i = 0; i < references.length; i++) this.#children[first + i] = references[i] ?? 0;
    this.#childrenLength = length;
    this.#below[3 * at] = first;
    this.#below[3 * at + 1] = references.length;
    this.#below[3 * at + 2] = below;
  }

  /** Gives spare memory back; the table is complete. */
  trim(): void {
    this.#resize(this.#length);
    this.#children = this.#children.slice(0, this.#childrenLength);
    this.#names.trim();
    this.#contents.trim(this.#length);
  }

  #resize(rows: number): void {
    this.#typeAndMode = grown(this.#typeAndMode, new Uint16Array(rows));
    this.#owner = grown(this.#owner, new Uint32Array(2 * rows));
    this.#mtime = grown(this.#mtime, new Float64Array(rows));
    this.#size = grown(this.#size, new Float64Array(rows));
    this.#node = grown(this.#node, new Float64Array(rows));
    this.#name = grown(this.#name, new Uint32Array(rows));
    this.#below = grown(this.#below, new Uint32Array(3 * rows));
  }
}

type Column = Uint8Array<ArrayBuffer> | Uint16Array<ArrayBuffer> | Uint32Array<ArrayBuffer> | Float64Array<ArrayBuffer>;

function grown<T extends Column>(from: T, to: T): T {
  to.set(from.length > to.length ? from.subarray(0, to.length) : from);
  return to;
}
