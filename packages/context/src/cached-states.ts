import { digestFromHex, type Digest, digestHex } from "@varve/oci";
import type { FileState } from "./file-states.ts";

/** Also tells the byte order: what another machine wrote is not understood, and so is no cache. */
const MAGIC = 0x34_61_72_76;
/** The magic, how many rows, how many of them have digests, nothing. */
const HEADER = 16;
/** dev, ino, size, mtime, ctime. */
const FIELDS = 5;
const STATE = 8 * FIELDS;
const DIGEST = 32;
/** Rows of a chunk: columns grow by whole chunks, so that nothing is copied, and those of a file are parts of it. */
const ROWS = 4096;
const SHIFT = 12;
const MASK = ROWS - 1;
/** What is known of a row, as bits. */
const HAS_DIGEST = 1;
const IS_BARE = 2;
/** Whether this build looked at a row, and whether that is not to be kept. */
const UNUSED = 0;
const USED = 1;
const TRANSIENT = 2;

interface Chunk {
  readonly states: BigInt64Array;
  readonly known: Uint8Array;
  /** Of a row, {@link UNUSED} and so on. */
  readonly marks: Uint8Array;
  /** Made when the first is set: empty files have none, and may be a million. */
  digests: Uint8Array<ArrayBuffer> | undefined;
}

/**
 * What is known of files by their state, in columns: 50 bytes a file and 32 for a digest, of which a context may have a million. A file is found by
 * device and inode, which hardly any two share.
 */
export class CachedStates {
  #length = 0;
  readonly #chunks: Chunk[] = [];
  /** Rows plus one by inode, open addressing; at most half full. */
  #places = new Uint32Array(64);

  /** What {@link encode} gave, which the rows are parts of from then on; `undefined` for anything else. */
  static decode(bytes: Uint8Array<ArrayBuffer>): CachedStates | undefined {
    if (bytes.length < HEADER) return undefined;
    // columns of eight bytes begin at multiples of eight
    if (bytes.byteOffset % 8 !== 0) return CachedStates.decode(Uint8Array.from(bytes));
    const [magic, rows = 0, digests = 0] = new Uint32Array(bytes.buffer, bytes.byteOffset, 3);
    if (magic !== MAGIC || bytes.length !== HEADER + rows * (STATE + 1) + digests * DIGEST) return undefined;
    const made = new CachedStates();
    let digestsAt = HEADER + rows * (STATE + 1);
    for (let row = 0; row < rows; row += ROWS) {
      const count = Math.min(ROWS, rows - row);
      const chunk = chunkOf(bytes, { rows, row, count });
      made.#chunks.push(chunk);
      const found = chunk.known.reduce((sum, known) => sum + (known & HAS_DIGEST), 0);
      if (digestsAt + found * DIGEST > bytes.length) return undefined;
      chunk.digests = spread(bytes.subarray(digestsAt, digestsAt + found * DIGEST), chunk.known);
      digestsAt += found * DIGEST;
    }
    if (digestsAt !== bytes.length) return undefined;
    made.#length = rows;
    made.#setPlaces();
    return made;
  }

  lookup(state: FileState): Digest | undefined {
    const row = this.#find(state, HAS_DIGEST);
    const digests = row === undefined ? undefined : this.#chunk(row).digests;
    if (row === undefined || digests === undefined) return undefined;
    return digestFromHex(Buffer.from(digests.buffer, digests.byteOffset + DIGEST * (row & MASK), DIGEST).toString("hex"));
  }

  isBare(state: FileState): boolean {
    return this.#find(state, IS_BARE) !== undefined;
  }

  /** `keep` false: known to this build only. */
  set(state: FileState, digest: Digest, keep: boolean): void {
    const row = this.#put(state, HAS_DIGEST, keep ? USED : TRANSIENT);
    const chunk = this.#chunk(row);
    chunk.digests ??= new Uint8Array(DIGEST * ROWS);
    Buffer.from(chunk.digests.buffer, chunk.digests.byteOffset).write(digestHex(digest), DIGEST * (row & MASK), "hex");
  }

  setBare(state: FileState): void {
    this.#put(state, IS_BARE, USED);
  }

  /**
   * What is to be kept. What this build did not look at may belong to another Dockerfile's COPY of the same directory, so it is dropped only from a cache
   * that is mostly that.
   */
  *encode(): Generator<Uint8Array, void, undefined> {
    const counts = [0, 0, 0];
    for (let row = 0; row < this.#length; row++) counts[this.#mark(row)] = (counts[this.#mark(row)] ?? 0) + 1;
    const onlyUsed = this.#length > 2 * (counts[USED] ?? 0) + 100_000;
    const wanted = this.#chunks.map(({ marks }, i) =>
      selectRows(Math.min(ROWS, this.#length - i * ROWS), (row) => (onlyUsed ? marks[row] === USED : marks[row] !== TRANSIENT)),
    );
    const digested = this.#chunks.map(({ known }, i) => selectRows(wanted[i] ?? 0, (row) => ((known[row] ?? 0) & HAS_DIGEST) !== 0));
    const count = (some: readonly Rows[]): number => some.reduce<number>((sum, rows) => sum + countOf(rows), 0);
    yield new Uint8Array(Uint32Array.of(MAGIC, count(wanted), count(digested), 0).buffer);
    for (const [i, { states }] of this.#chunks.entries()) yield gather(new Uint8Array(states.buffer, states.byteOffset), wanted[i] ?? 0, STATE);
    for (const [i, { known }] of this.#chunks.entries()) yield gather(known, wanted[i] ?? 0, 1);
    for (const [i, chunk] of this.#chunks.entries()) if (chunk.digests !== undefined) yield gather(chunk.digests, digested[i] ?? 0, DIGEST);
  }

  #chunk(row: number): Chunk {
    return this.#chunks[row >>> SHIFT] as Chunk;
  }

  #mark(row: number): number {
    return this.#chunk(row).marks[row & MASK] ?? UNUSED;
  }

  /** The row of a state of which something is known. */
  #find(state: FileState, known: number): number | undefined {
    const row = (this.#places[this.#place(signed(state.device), signed(state.inode))] ?? 0) - 1;
    if (row < 0) return undefined;
    const chunk = this.#chunk(row);
    if (((chunk.known[row & MASK] ?? 0) & known) === 0 || !isOf(chunk, row & MASK, state)) return undefined;
    if (chunk.marks[row & MASK] === UNUSED) chunk.marks[row & MASK] = USED;
    return row;
  }

  #put(state: FileState, known: number, mark: number): number {
    const device = signed(state.device);
    const inode = signed(state.inode);
    if (2 * (this.#length + 1) > this.#places.length) this.#setPlaces();
    const place = this.#place(device, inode);
    const row = this.#places[place] === 0 ? this.#append() : (this.#places[place] ?? 0) - 1;
    this.#places[place] = row + 1;
    const chunk = this.#chunk(row);
    const i = row & MASK;
    chunk.marks[i] = mark;
    chunk.known[i] = isOf(chunk, i, state) ? (chunk.known[i] ?? 0) | known : known;
    chunk.states.set([device, inode, BigInt(state.size), signed(state.mtimeNs), signed(state.ctimeNs)], FIELDS * i);
    return row;
  }

  #append(): number {
    if (this.#length === this.#chunks.length * ROWS) {
      this.#chunks.push({ states: new BigInt64Array(FIELDS * ROWS), known: new Uint8Array(ROWS), marks: new Uint8Array(ROWS), digests: undefined });
    }
    return this.#length++;
  }

  /** Makes room for more rows; as many again when it was full. */
  #setPlaces(): void {
    this.#places = new Uint32Array(2 ** Math.ceil(Math.log2(2 * this.#length + 64)));
    for (let row = 0; row < this.#length; row++) {
      const { states } = this.#chunk(row);
      const at = FIELDS * (row & MASK);
      this.#places[this.#place(states[at] ?? 0n, states[at + 1] ?? 0n)] = row + 1;
    }
  }

  /** Where the file is, or would be put, in `#places`. */
  #place(device: bigint, inode: bigint): number {
    const mask = this.#places.length - 1;
    for (let at = Math.imul(Number(inode & 0xffff_ffffn), 0x9e3779b1) & mask; ; at = (at + 1) & mask) {
      const row = (this.#places[at] ?? 0) - 1;
      if (row < 0) return at;
      const { states } = this.#chunk(row);
      const field = FIELDS * (row & MASK);
      if (states[field + 1] === inode && states[field] === device) return at;
    }
  }
}

/** Rows `row` to `row + count` of a file of `rows`: parts of it, but for a chunk to which more may be added. */
function chunkOf(bytes: Uint8Array<ArrayBuffer>, { rows, row, count }: { readonly rows: number; readonly row: number; readonly count: number }): Chunk {
  const marks = new Uint8Array(ROWS);
  const found = new BigInt64Array(bytes.buffer, bytes.byteOffset + HEADER + STATE * row, FIELDS * count);
  const known = bytes.subarray(HEADER + STATE * rows + row, HEADER + STATE * rows + row + count);
  if (count === ROWS) return { states: found, known, marks, digests: undefined };
  const chunk = { states: new BigInt64Array(FIELDS * ROWS), known: new Uint8Array(ROWS), marks, digests: undefined };
  chunk.states.set(found);
  chunk.known.set(known);
  return chunk;
}

/** Digests, one after the other, at the places of the rows that have one: the same bytes when all have. */
function spread(digests: Uint8Array<ArrayBuffer>, known: Uint8Array): Uint8Array<ArrayBuffer> | undefined {
  if (digests.length === 0 || digests.length === DIGEST * ROWS) return digests.length === 0 ? undefined : digests;
  const out = new Uint8Array(DIGEST * ROWS);
  let at = 0;
  for (const [row, bits] of known.entries()) {
    if ((bits & HAS_DIGEST) === 0) continue;
    out.set(digests.subarray(at, at + DIGEST), DIGEST * row);
    at += DIGEST;
  }
  return out;
}

/** Rows of a chunk: the first so many, or these. */
type Rows = number | readonly number[];

function countOf(rows: Rows): number {
  return typeof rows === "number" ? rows : rows.length;
}

/** Those of `rows` that are wanted. */
function selectRows(rows: Rows, isWanted: (row: number) => boolean): Rows {
  if (typeof rows !== "number") return rows.filter(isWanted);
  let count = 0;
  while (count < rows && isWanted(count)) count++;
  if (count === rows) return rows;
  return Array.from({ length: rows }, (_, row) => row).filter(isWanted);
}

/** A part of the column itself where that will do: copies of a million rows would wait for V8 to collect them. */
function gather(column: Uint8Array, rows: Rows, width: number): Uint8Array {
  if (typeof rows === "number") return column.subarray(0, width * rows);
  const out = new Uint8Array(width * rows.length);
  for (const [i, row] of rows.entries()) out.set(column.subarray(width * row, width * (row + 1)), width * i);
  return out;
}

/** Whether a row is of exactly this state. */
function isOf({ states }: Chunk, row: number, state: FileState): boolean {
  const at = FIELDS * row;
  return states[at + 2] === BigInt(state.size) && states[at + 3] === signed(state.mtimeNs) && states[at + 4] === signed(state.ctimeNs);
}

function signed(value: bigint): bigint {
  return BigInt.asIntN(64, value);
}
