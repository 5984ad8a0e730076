/** Rows of one chunk: columns grow by whole chunks, so that nothing is copied and little is spare. */
const ROWS = 4096;
/** dev, ino, mtime, ctime. */
const FIELDS = 4;

/** What tells the states of a file apart; times in nanoseconds since the epoch. Numbers are unsigned but for the times. */
export interface FileState {
  readonly device: bigint;
  readonly inode: bigint;
  readonly size: number;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
}

interface Chunk {
  readonly states: BigInt64Array;
  readonly sizes: Float64Array;
  readonly modes: Uint32Array;
}

/** What `lstat` said of many files, in columns. */
export class FileStates {
  readonly #chunks: Chunk[] = [];
  #length = 0;

  get length(): number {
    return this.#length;
  }

  append({ device, inode, size, mode, mtimeNs, ctimeNs }: FileState & { readonly mode: number }): void {
    const row = this.#length++ % ROWS;
    if (row === 0) this.#chunks.push({ states: new BigInt64Array(FIELDS * ROWS), sizes: new Float64Array(ROWS), modes: new Uint32Array(ROWS) });
    const chunk = this.#chunks.at(-1);
    if (chunk === undefined) return;
    // the column is signed for the times' sake
    chunk.states[FIELDS * row] = device;
    chunk.states[FIELDS * row + 1] = inode;
    chunk.states[FIELDS * row + 2] = mtimeNs;
    chunk.states[FIELDS * row + 3] = ctimeNs;
    chunk.sizes[row] = size;
    chunk.modes[row] = mode;
  }

  /** Type and permissions, as `st_mode`. */
  mode(at: number): number {
    return this.#chunk(at).modes[at % ROWS] ?? 0;
  }

  size(at: number): number {
    return this.#chunk(at).sizes[at % ROWS] ?? 0;
  }

  mtimeNs(at: number): bigint {
    return this.#chunk(at).states[FIELDS * (at % ROWS) + 2] ?? 0n;
  }

  /** Device and inode as one word. */
  identity(at: number): string {
    const { device, inode } = this.state(at);
    return `${device}:${inode}`;
  }

  state(at: number): FileState {
    const { states } = this.#chunk(at);
    const start = FIELDS * (at % ROWS);
    return {
      device: BigInt.asUintN(64, states[start] ?? 0n),
      inode: BigInt.asUintN(64, states[start + 1] ?? 0n),
      size: this.size(at),
      mtimeNs: states[start + 2] ?? 0n,
      ctimeNs: states[start + 3] ?? 0n,
    };
  }

  /** All of it as bytes, for a digest that holds on this machine. */
  *bytes(): Generator<Uint8Array, void, undefined> {
    for (const [i, { states, sizes, modes }] of this.#chunks.entries()) {
      const rows = Math.min(ROWS, this.#length - i * ROWS);
      yield new Uint8Array(states.buffer, 0, FIELDS * 8 * rows);
      yield new Uint8Array(sizes.buffer, 0, 8 * rows);
      yield new Uint8Array(modes.buffer, 0, 4 * rows);
    }
  }

  #chunk(at: number): Chunk {
    return this.#chunks[Math.floor(at / ROWS)] as Chunk;
  }
}
