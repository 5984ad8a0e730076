import { randomUUID } from "node:crypto";
import { open, readFile, rename, rm } from "node:fs/promises";
import { digestFromHex, type Digest, digestHex } from "@varve/oci";
import { type DiskRef, stateOf } from "./disk-stat.ts";
import type { FileState } from "./file-states.ts";

/** Remembers what is known of files by the state they were in, so that an unchanged file isn't read again. */
export interface StatCache {
  /** Reads what is kept; everything else comes after it. */
  load(): Promise<void>;
  lookup(ref: DiskRef): Digest | undefined;
  /** `since` is when reading began, milliseconds since the epoch. */
  record(ref: DiskRef, digest: Digest, since: number): void;
  /** Whether the file or directory is known to have no extended attributes: a new one would have given it a new ctime. */
  isBare(state: FileState): boolean;
  /** `since` as above. */
  recordBare(state: FileState, since: number): void;
  /** Writes what was used or recorded since it was opened; best effort. */
  save(): Promise<void>;
}

/**
 * Kernels stamp by the tick and some file systems by the second: a file that changed this recently could change again without
 * a new ctime, so its digest is not remembered. Milliseconds.
 */
export const SETTLED: number = 1500;

/** Also tells the byte order: what another machine wrote is not understood, and so is no cache. */
const MAGIC = 0x33_61_72_76;
const HEADER = 16;
/** dev, ino, size, mtime, ctime. */
const FIELDS = 5;
const DIGEST = 32;
/** What is known of a row, as bits. */
const HAS_DIGEST = 1;
const IS_BARE = 2;

/** The cache in `file`. One that can't be read is an empty one: nothing but time is lost. */
export function createStatCache(file: string): StatCache {
  let known = new CachedDigests(0);
  let loading: Promise<void> | undefined;
  let dirty = false;
  const isSettled = (state: FileState, since: number): boolean => since - Number(state.ctimeNs / 1_000_000n) >= SETTLED;
  return {
    load: () =>
      (loading ??= readFile(file).then(
        (bytes) => void (known = CachedDigests.decode(bytes) ?? known),
        () => {},
      )),
    lookup: (ref) => known.lookup(stateOf(ref)),
    record(ref, digest, since) {
      const state = stateOf(ref);
      if (!isSettled(state, since)) return;
      known.set(state, digest);
      dirty = true;
    },
    isBare: (state) => known.isBare(state),
    recordBare(state, since) {
      if (!isSettled(state, since)) return;
      known.setBare(state);
      dirty = true;
    },
    async save() {
      if (!dirty) return;
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
  #digests: Uint8Array;
  #known: Uint8Array;
  /** Whether this build looked at the row. */
  #used: Uint8Array;
  /** Rows plus one by inode, open addressing; at most half full. */
  #places: Uint32Array;

  constructor(rows: number) {
    this.#states = new BigInt64Array(FIELDS * rows);
    this.#digests = new Uint8Array(DIGEST * rows);
    this.#known = new Uint8Array(rows);
    this.#used = new Uint8Array(rows);
    this.#places = new Uint32Array(placesFor(rows));
  }

  /** What {@link encode} gave; `undefined` for anything else. */
  static decode(bytes: Uint8Array): CachedDigests | undefined {
    if (bytes.length < HEADER) return undefined;
    const [magic, rows = 0] = new Uint32Array(Uint8Array.from(bytes.subarray(0, HEADER)).buffer);
    if (magic !== MAGIC || bytes.length !== HEADER + rows * (8 * FIELDS + DIGEST + 1)) return undefined;
    const made = new CachedDigests(rows);
    new Uint8Array(made.#states.buffer).set(bytes.subarray(HEADER, HEADER + rows * 8 * FIELDS));
    made.#digests.set(bytes.subarray(HEADER + rows * 8 * FIELDS, HEADER + rows * (8 * FIELDS + DIGEST)));
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

  set(state: FileState, digest: Digest): void {
    const row = this.#put(state, HAS_DIGEST);
    Buffer.from(this.#digests.buffer).write(digestHex(digest), DIGEST * row, "hex");
  }

  setBare(state: FileState): void {
    this.#put(state, IS_BARE);
  }

  /** The row of a state of which something is known. */
  #find(state: FileState, known: number): number | undefined {
    const row = (this.#places[this.#place(signed(state.device), signed(state.inode))] ?? 0) - 1;
    if (row < 0 || ((this.#known[row] ?? 0) & known) === 0 || !this.#isOf(row, state)) return undefined;
    this.#used[row] = 1;
    return row;
  }

  #isOf(row: number, state: FileState): boolean {
    const at = FIELDS * row;
    return this.#states[at + 2] === BigInt(state.size) && this.#states[at + 3] === signed(state.mtimeNs) && this.#states[at + 4] === signed(state.ctimeNs);
  }

  #put(state: FileState, known: number): number {
    if (2 * (this.#length + 1) > this.#places.length || this.#length === this.#used.length) this.#resize(Math.ceil(this.#length * 1.5) + 64);
    const place = this.#place(signed(state.device), signed(state.inode));
    const row = this.#places[place] === 0 ? this.#length++ : (this.#places[place] ?? 0) - 1;
    this.#places[place] = row + 1;
    this.#used[row] = 1;
    this.#known[row] = this.#isOf(row, state) ? (this.#known[row] ?? 0) | known : known;
    this.#states.set([signed(state.device), signed(state.inode), BigInt(state.size), signed(state.mtimeNs), signed(state.ctimeNs)], FIELDS * row);
    return row;
  }

  /**
   * Everything; but what this build did not look at may belong to another Dockerfile's COPY of the same directory, so only a cache that is
   * mostly that is pruned.
   */
  *encode(): Generator<Uint8Array, void, undefined> {
    const used = this.#used.reduce((sum, one) => sum + one, 0);
    const kept = this.#length > 2 * used + 100_000 ? this.#onlyUsed() : this;
    yield new Uint8Array(Uint32Array.of(MAGIC, kept.#length, 0, 0).buffer);
    yield new Uint8Array(kept.#states.buffer, 0, 8 * FIELDS * kept.#length);
    yield kept.#digests.subarray(0, DIGEST * kept.#length);
    yield kept.#known.subarray(0, kept.#length);
  }

  #onlyUsed(): CachedDigests {
    const kept = new CachedDigests(this.#used.reduce((sum, one) => sum + one, 0));
    for (let row = 0; row < this.#length; row++) {
      if (this.#used[row] !== 1) continue;
      kept.#states.set(this.#states.subarray(FIELDS * row, FIELDS * (row + 1)), FIELDS * kept.#length);
      kept.#digests.set(this.#digests.subarray(DIGEST * row, DIGEST * (row + 1)), DIGEST * kept.#length);
      kept.#known[kept.#length] = this.#known[row] ?? 0;
      kept.#length++;
    }
    return kept;
  }

  #resize(rows: number): void {
    const states = new BigInt64Array(FIELDS * rows);
    states.set(this.#states);
    const digests = new Uint8Array(DIGEST * rows);
    digests.set(this.#digests);
    const known = new Uint8Array(rows);
    known.set(this.#known);
    const used = new Uint8Array(rows);
    used.set(this.#used);
    [this.#states, this.#digests, this.#known, this.#used] = [states, digests, known, used];
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
