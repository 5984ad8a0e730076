import type { BytePath } from "@varve/bytes";
import { ByteColumn } from "./byte-column.ts";
import { CHUNK_MASK, CHUNK_ROWS, CHUNK_SHIFT, chunkRows } from "./chunk-size.ts";
import { ContentColumn } from "./content-column.ts";
import { DirectoryColumn } from "./directory-column.ts";
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

interface RowChunk {
  readonly typeAndMode: Uint16Array;
  /** Numbers in the table's owners. */
  readonly owner: Uint32Array;
  readonly mtime: Float64Array;
  /** Of a directory its number among the directories: its size on disk is not a layer's concern. */
  readonly size: Float64Array;
  readonly node: Uint32Array;
  /** Where the name starts. */
  readonly name: Uint32Array;
}

/**
 * Entries in columns: about eighty bytes each, where an object of the same content takes five hundred. Rows are only appended;
 * a directory's row points at its children, which may be rows of older tables. Once a tree is finished its table no longer changes.
 */
export class EntryTable {
  #length = 0;
  readonly #chunks: RowChunk[] = [];
  readonly #owners: { readonly uid: number; readonly gid: number }[] = [];
  readonly #ownerNumbers = new Map<string, number>();
  readonly #names = new ByteColumn();
  readonly #contents = new ContentColumn();
  readonly #directories = new DirectoryColumn();
  readonly #rare = new Map<number, Rarity>();

  get length(): number {
    return this.#length;
  }

  /** Appends a row; returns its number. */
  append(name: string, row: Row, node: number): number {
    const at = this.#length++;
    const chunk = this.#room(at);
    const i = at & CHUNK_MASK;
    chunk.typeAndMode[i] = (TYPES.indexOf(row.type) << 12) | row.mode;
    chunk.owner[i] = this.#ownerNumber(row);
    chunk.mtime[i] = row.mtime;
    const size = row.type === "file" ? row.size : 0;
    chunk.size[i] = row.type === "directory" ? this.#directories.append() : size;
    chunk.node[i] = node;
    chunk.name[i] = this.#names.append(name);
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
    const chunk = this.#chunk(at);
    const i = at & CHUNK_MASK;
    const typeAndMode = chunk.typeAndMode[i] ?? 0;
    const type = TYPES[typeAndMode >> 12] ?? "file";
    const mode = typeAndMode & 0o7777;
    const { uid = 0, gid = 0 } = this.#owners[chunk.owner[i] ?? 0] ?? {};
    const mtime = chunk.mtime[i] ?? 0;
    const size = type === "directory" ? 0 : (chunk.size[i] ?? 0);
    const node = chunk.node[i] ?? 0;
    const content = this.#contents.get(at, size);
    const rare = this.#rare.get(at);
    const plain = { path, type, mode, uid, gid, mtime, size, node };
    // spreads are slow, and most entries need none
    if (rare !== undefined) return content === undefined ? { ...plain, ...rare } : { ...plain, ...rare, content };
    if (content === undefined) return plain;
    return { path, type, mode, uid, gid, mtime, size, node, content };
  }

  /** Whether two rows differ in what columns hold. `false` leaves links, devices, xattrs and contents to be compared. */
  differs(at: number, other: EntryTable, otherAt: number): boolean {
    const chunk = this.#chunk(at);
    const i = at & CHUNK_MASK;
    const otherChunk = other.#chunk(otherAt);
    const j = otherAt & CHUNK_MASK;
    const owner = this.#owners[chunk.owner[i] ?? 0];
    const otherOwner = other.#owners[otherChunk.owner[j] ?? 0];
    return (
      chunk.typeAndMode[i] !== otherChunk.typeAndMode[j] ||
      (!this.isDirectory(at) && chunk.size[i] !== otherChunk.size[j]) ||
      owner?.uid !== otherOwner?.uid ||
      owner?.gid !== otherOwner?.gid ||
      Math.floor(chunk.mtime[i] ?? 0) !== Math.floor(otherChunk.mtime[j] ?? 0)
    );
  }

  /** Whether the row is a directory without xattrs: columns say all there is of it. */
  isPlainDirectory(at: number): boolean {
    return this.isDirectory(at) && !this.#rare.has(at);
  }

  node(at: number): number {
    return this.#chunk(at).node[at & CHUNK_MASK] ?? 0;
  }

  isDirectory(at: number): boolean {
    return (this.#chunk(at).typeAndMode[at & CHUNK_MASK] ?? 0) >> 12 === DIRECTORY;
  }

  name(at: number): BytePath {
    return this.#names.read(this.#chunk(at).name[at & CHUNK_MASK] ?? 0) as BytePath;
  }

  /** The order of a row's name and `name`: negative, zero or positive. */
  compareName(at: number, name: string): number {
    return this.#names.compare(this.#chunk(at).name[at & CHUNK_MASK] ?? 0, name);
  }

  childCount(at: number): number {
    return this.isDirectory(at) ? this.#directories.childCount(this.#directory(at)) : 0;
  }

  /** A reference to the directory's child number `i`. */
  child(at: number, i: number): number {
    return this.#directories.child(this.#directory(at), i);
  }

  /** How many entries the row stands for: itself and all below. */
  total(at: number): number {
    return this.isDirectory(at) ? 1 + this.#directories.below(this.#directory(at)) : 1;
  }

  /** Gives a directory its children, sorted by name; `below` counts all entries under it. */
  setChildren(at: number, references: readonly number[], below: number): void {
    this.#directories.setChildren(this.#directory(at), references, below);
  }

  /** Gives spare memory back; the table is complete. */
  trim(): void {
    if (this.#chunks.length > 0) this.#resizeLast(this.#length - CHUNK_ROWS * (this.#chunks.length - 1));
    this.#directories.trim();
    this.#names.trim();
    this.#contents.trim(this.#length);
  }

  #chunk(at: number): RowChunk {
    return this.#chunks[at >>> CHUNK_SHIFT] as RowChunk;
  }

  #directory(at: number): number {
    return this.#chunk(at).size[at & CHUNK_MASK] ?? 0;
  }

  #ownerNumber({ uid, gid }: Row): number {
    const last = this.#owners.at(-1);
    // nearly always the last that was seen
    if (last?.uid === uid && last.gid === gid) return this.#owners.length - 1;
    const key = `${uid}:${gid}`;
    const known = this.#ownerNumbers.get(key) ?? this.#owners.push({ uid, gid }) - 1;
    this.#ownerNumbers.set(key, known);
    return known;
  }

  /** The chunk of a new row. */
  #room(at: number): RowChunk {
    const chunk = at >>> CHUNK_SHIFT;
    const needed = (at & CHUNK_MASK) + 1;
    const last = this.#chunks[chunk];
    if (last === undefined) {
      const made = newChunk(chunkRows(chunk, needed));
      this.#chunks.push(made);
      return made;
    }
    return needed <= last.mtime.length ? last : this.#resizeLast(chunkRows(chunk, needed));
  }

  #resizeLast(rows: number): RowChunk {
    const next = newChunk(rows);
    const last = this.#chunks.pop();
    if (last !== undefined) for (const name of COLUMNS) next[name].set(last[name].subarray(0, rows));
    this.#chunks.push(next);
    return next;
  }
}

const COLUMNS = ["typeAndMode", "owner", "mtime", "size", "node", "name"] as const;

function newChunk(rows: number): RowChunk {
  return {
    typeAndMode: new Uint16Array(rows),
    owner: new Uint32Array(rows),
    mtime: new Float64Array(rows),
    size: new Float64Array(rows),
    node: new Uint32Array(rows),
    name: new Uint32Array(rows),
  };
}
