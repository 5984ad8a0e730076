import type { BytePath } from "@varve/bytes";

const CHUNK = 1024 * 1024;

/** Many paths, one after the other in few buffers, by row. A path is at most 1 MiB, all together 4 GiB. */
export class PathColumn {
  readonly #chunks: Buffer[] = [];
  #filled = CHUNK;
  #starts = new Uint32Array(256);
  #lengths = new Uint32Array(256);
  #rows = 0;

  /** Appends a path as the next row. */
  append(path: BytePath): void {
    if (this.#filled + path.length > CHUNK) {
      // zeros: what is left over at a chunk's end is hashed too
      this.#chunks.push(Buffer.alloc(CHUNK));
      this.#filled = 0;
    }
    if (this.#rows === this.#starts.length) this.#grow();
    const chunk = this.#chunks.length - 1;
    this.#starts[this.#rows] = chunk * CHUNK + this.#filled;
    this.#lengths[this.#rows++] = path.length;
    this.#filled += this.#chunks[chunk]?.write(path, this.#filled, "latin1") ?? 0;
  }

  read(row: number): BytePath {
    const start = this.#starts[row] ?? 0;
    const at = start % CHUNK;
    return (this.#chunks[(start - at) / CHUNK]?.toString("latin1", at, at + (this.#lengths[row] ?? 0)) ?? "") as BytePath;
  }

  /** Everything that was appended, as bytes that tell paths apart. */
  *bytes(): Generator<Uint8Array, void, undefined> {
    yield new Uint8Array(this.#lengths.buffer, 0, 4 * this.#rows);
    for (const [i, chunk] of this.#chunks.entries()) yield i === this.#chunks.length - 1 ? chunk.subarray(0, this.#filled) : chunk;
  }

  #grow(): void {
    const rows = Math.ceil(this.#rows * 1.5);
    const starts = new Uint32Array(rows);
    starts.set(this.#starts);
    const lengths = new Uint32Array(rows);
    lengths.set(this.#lengths);
    [this.#starts, this.#lengths] = [starts, lengths];
  }
}
