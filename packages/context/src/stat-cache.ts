import { randomUUID } from "node:crypto";
import { open, readFile, rename, rm } from "node:fs/promises";
import { digestFromHex, type Digest, digestHex } from "@varve/oci";
import type { FileState } from "./file-states.ts";

/** Remembers what is known of files by the state they were in, so that an unchanged file isn't read again. */
export interface StatCache {
  /** Reads what is kept; everything else comes after it. */
  load(): Promise<void>;
  lookup(state: FileState): Digest | undefined;
  /** `since` is when reading began, milliseconds since the epoch. What changed shortly before is known to this build only. */
  record(state: FileState, digest: Digest, since: number): void;
  /** Whether the file or directory is known to have no extended attributes: a new one would have given it a new ctime. */
  isBare(state: FileState): boolean;
  /** `since` as above. */
  recordBare(state: FileState, since: number): void;
  /** Writes what is to be kept; best effort. */
  save(): Promise<void>;
}

/**
 * Kernels stamp by the tick and some file systems by the second: a file that changed this recently could change again without
 * a new ctime, so nothing of it is kept for other builds. Milliseconds.
 */
export const SETTLED: number = 1500;

/** Also tells the byte order: what another machine wrote is not understood, and so is no cache. */
const MAGIC = 0x33_61_72_76;
const HEADER = 16;
/** dev, ino, size, mtime, ctime. */
const FIELDS = 5;
const DIGEST = 32;
/** Rows without digests that are written at once. */
const ZEROS = 4096;
/** What is known of a row, as bits. */
const HAS_DIGEST = 1;
const IS_BARE = 2;
/** Whether this build looked at a row, and whether that is not to be kept. */
const UNUSED = 0;
const USED = 1;
const TRANSIENT = 2;

/** The cache in `file`; without one it lasts as long as the build. One that can't be read is an empty one: nothing but time is lost. */
export function createStatCache(file?: string): StatCache {
  let known = new CachedDigests(0);
  let loading: Promise<void> | undefined;
  let dirty = false;
  const isSettled = (state: FileState, since: number): boolean => since - Number(state.ctimeNs / 1_000_000n) >= SETTLED;
  return {
    load: () =>
      (loading ??=
        file === undefined
          ? Promise.resolve()
          : readFile(file).then(
              (bytes) => void (known = CachedDigests.decode(bytes) ?? known),
              () => {},
            )),
    lookup: (state) => known.lookup(state),
    record(state, digest, since) {
      const keep = isSettled(state, since);
      known.set(state, digest, keep);
      dirty ||= keep;
    },
    isBare: (state) => known.isBare(state),
    recordBare(state, since) {
      if (!isSettled(state, since)) return;
      known.setBare(state);
      dirty = true;
    },
    async save() {
      if (file === undefined || !dirty) return;
      const temporary = `${file}.${randomUUID()}`;
      try {
        await writePieces(temporary, known.encode());
        await rename(temporary, file);
      } catch {
        await rm(temporary, { force: true });
      }
    },
  };
}

async function writePieces(path: string, pieces: Iterable<Uint8Array>): Promise<void> {
  const handle = await open(path, "wx", 0o600);
  try {
    for (const piece of pieces) await handle.writeFile(piece);
  } finally {
    await handle.close();
  }
}

/** Digests by state, in columns: 81 bytes a file, of which a context may have a million. A file is found by device and inode, which hardly any two share. */
class CachedDigests {
  #length = 0;
  #states: BigInt64Array;
  #digests: Uint8Array<ArrayBuffer>;
  #known: Uint8Array;
  /** Of a row, {@link UNUSED} and so on. */
  #marks: Uint8Array;
  /** Rows plus one by inode, open addressing; at most half full. */
  #places: Uint32Array;

  constructor(rows: number) {
    this.#states = new BigInt64Array(FIELDS * rows);
    this.#digests = new Uint8Array(0);
    this.#known = new Uint8Array(rows);
    this.#marks = new Uint8Array(rows);
    this.#places = new Uint32Array(placesFor(rows));
  }

  /** What {@link encode} gave; `undefined` for anything else. */
  static decode(bytes: Uint8Array): CachedDigests | undefined {
    if (bytes.length < HEADER) return undefined;
    const [magic, rows = 0] = new Uint32Array(Uint8Array.from(bytes.subarray(0, HEADER)).buffer);
    if (magic !== MAGIC || bytes.length !== HEADER + rows * (8 * FIELDS + DIGEST + 1)) return undefined;
    const made = new CachedDigests(rows);
    new Uint8Array(made.#states.buffer).set(bytes.subarray(HEADER, HEADER + rows * 8 * FIELDS));
    made.#withDigests().set(bytes.subarray(HEADER + rows * 8 * FIELDS, HEADER + rows * (8 * FIELDS + DIGEST)));
    made.#known.set(bytes.subarray(HEADER + rows * (8 * FIELDS + DIGEST)));
    made.#length = rows;
    for (let row = 0; row < rows; row++) made.#places[made.#place(made.#states[FIELDS * row] ?? 0n, made.#states[FIELDS * row + 1] ?? 0n)] = row + 1;
    return made;
  }

  lookup(state: FileState): Digest | undefined {
    const row = this.#find(state, HAS_DIGEST);
    return row === undefined ? undefined : digestFromHex(Buffer.from(this.#digests.buffer, DIGEST * row, DIGEST).toString("hex"));
  }

  isBare(state: FileState): boolean {
    return this.#find(state, IS_BARE) !== undefined;
  }

  set(state: FileState, digest: Digest, keep: boolean): void {
    const row = this.#put(state, HAS_DIGEST, keep ? USED : TRANSIENT);
    Buffer.from(this.#withDigests().buffer).write(digestHex(digest), DIGEST * row, "hex");
  }

  setBare(state: FileState): void {
    this.#put(state, IS_BARE, USED);
  }

  /** The row of a state of which something is known. */
  #find(state: FileState, known: number): number | undefined {
    const row = (this.#places[this.#place(signed(state.device), signed(state.inode))] ?? 0) - 1;
    if (row < 0 || ((this.#known[row] ?? 0) & known) === 0 || !this.#isOf(row, state)) return undefined;
    if (this.#marks[row] === UNUSED) this.#marks[row] = USED;
    return row;
  }

  #isOf(row: number, state: FileState): boolean {
    const at = FIELDS * row;
    return this.#states[at + 2] === BigInt(state.size) && this.#states[at + 3] === signed(state.mtimeNs) && this.#states[at + 4] === signed(state.ctimeNs);
  }

  #put(state: FileState, known: number, mark: number): number {
    if (2 * (this.#length + 1) > this.#places.length || this.#length === this.#marks.length) this.#resize(Math.ceil(this.#length * 1.15) + 64);
    const place = this.#place(signed(state.device), signed(state.inode));
    const row = this.#places[place] === 0 ? this.#length++ : (this.#places[place] ?? 0) - 1;
    this.#places[place] = row + 1;
    this.#marks[row] = mark;
    this.#known[row] = this.#isOf(row, state) ? (this.#known[row] ?? 0) | known : known;
    this.#states.set([signed(state.device), signed(state.inode), BigInt(state.size), signed(state.mtimeNs), signed(state.ctimeNs)], FIELDS * row);
    return row;
  }

  /**
   * What is to be kept. What this build did not look at may belong to another Dockerfile's COPY of the same directory, so it is dropped only from a cache
   * that is mostly that.
   */
  *encode(): Generator<Uint8Array, void, undefined> {
    const count = (mark: number): number => this.#marks.subarray(0, this.#length).reduce((sum, one) => sum + (one === mark ? 1 : 0), 0);
    const prune = this.#length > 2 * count(USED) + 100_000;
    const kept = prune || count(TRANSIENT) > 0 ? this.#select(prune ? (mark) => mark === USED : (mark) => mark !== TRANSIENT) : this;
    yield new Uint8Array(Uint32Array.of(MAGIC, kept.#length, 0, 0).buffer);
    yield new Uint8Array(kept.#states.buffer, 0, 8 * FIELDS * kept.#length);
    if (kept.#digests.length > 0) yield kept.#digests.subarray(0, DIGEST * kept.#length);
    else for (let row = 0; row < kept.#length; row += ZEROS) yield new Uint8Array(DIGEST * Math.min(ZEROS, kept.#length - row));
    yield kept.#known.subarray(0, kept.#length);
  }

  /** The rows with such marks; they can be written but not looked up. */
  #select(wanted: (mark: number) => boolean): CachedDigests {
    const kept = new CachedDigests(this.#length);
    for (let row = 0; row < this.#length; row++) {
      if (!wanted(this.#marks[row] ?? UNUSED)) continue;
      kept.#states.set(this.#states.subarray(FIELDS * row, FIELDS * (row + 1)), FIELDS * kept.#length);
      if (this.#digests.length > 0) kept.#withDigests().set(this.#digests.subarray(DIGEST * row, DIGEST * (row + 1)), DIGEST * kept.#length);
      kept.#known[kept.#length] = this.#known[row] ?? 0;
      kept.#length++;
    }
    return kept;
  }

  /** The column of digests, made when the first is set: empty files have none, and may be a million. */
  #withDigests(): Uint8Array<ArrayBuffer> {
    if (this.#digests.length === 0) this.#digests = new Uint8Array(DIGEST * this.#marks.length);
    return this.#digests;
  }

  #resize(rows: number): void {
    const states = new BigInt64Array(FIELDS * rows);
    states.set(this.#states);
    const digests = new Uint8Array(this.#digests.length === 0 ? 0 : DIGEST * rows);
    digests.set(this.#digests);
    const known = new Uint8Array(rows);
    known.set(this.#known);
    const marks = new Uint8Array(rows);
    marks.set(this.#marks);
    [this.#states, this.#digests, this.#known, this.#marks] = [states, digests, known, marks];
    if (this.#places.length >= 2 * rows) return;
    this.#places = new Uint32Array(placesFor(rows));
    for (let row = 0; row < this.#length; row++) this.#places[this.#place(states[FIELDS * row] ?? 0n, states[FIELDS * row + 1] ?? 0n)] = row + 1;
  }

  /** Where the file is, or would be put, in `#places`. */
  #place(device: bigint, inode: bigint): number {
    const mask = this.#places.length - 1;
    for (let at = Math.imul(Number(inode & 0xffff_ffffn), 0x9e3779b1) & mask; ; at = (at + 1) & mask) {
      const row = (this.#places[at] ?? 0) - 1;
      if (row < 0 || (this.#states[FIELDS * row + 1] === inode && this.#states[FIELDS * row] === device)) return at;
    }
  }
}

function signed(value: bigint): bigint {
  return BigInt.asIntN(64, value);
}

/** A power of two, at least twice the rows. */
function placesFor(rows: number): number {
  return 2 ** Math.ceil(Math.log2(2 * rows + 16));
}
