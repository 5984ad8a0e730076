import type { ByteStream } from "@varve/bytes";

/**
 * Takes exact numbers of bytes from a stream. One `#piece` is held at a time. Methods with a synchronous twin (`peek…`) spare an
 * await where the bytes are at hand, which is nearly always.
 */
export class StreamReader implements AsyncDisposable {
  readonly #source: AsyncIterator<Uint8Array>;
  #piece: Uint8Array = new Uint8Array(0);
  #at = 0;
  #position = 0;
  #ended = false;

  constructor(stream: ByteStream) {
    this.#source = stream[Symbol.asyncIterator]();
  }

  /** Bytes taken so far. */
  get position(): number {
    return this.#position;
  }

  /** The next `size` bytes when they are at hand in one piece; they may be kept. */
  takeAvailable(size: number): Uint8Array | undefined {
    if (this.#piece.length - this.#at < size) return undefined;
    const bytes = this.#piece.subarray(this.#at, this.#at + size);
    this.#advance(size);
    return bytes;
  }

  /** The next `size` bytes, fewer only at the end of the stream. */
  async take(size: number): Promise<Uint8Array> {
    const available = this.takeAvailable(size);
    if (available !== undefined) return available;
    const bytes = new Uint8Array(size);
    let filled = 0;
    while (filled < size) {
      const piece = await this.takeSome(size - filled);
      if (piece === undefined) return bytes.subarray(0, filled);
      bytes.set(piece, filled);
      filled += piece.length;
    }
    return bytes;
  }

  /** The next bytes, 1 to `limit`; `undefined` at the end. */
  async takeSome(limit: number): Promise<Uint8Array | undefined> {
    while (this.#at === this.#piece.length) {
      if (this.#ended) return undefined;
      const next = await this.#source.next();
      if (next.done === true) {
        this.#ended = true;
        return undefined;
      }
      this.#piece = next.value;
      this.#at = 0;
    }
    return this.takeAvailable(Math.min(limit, this.#piece.length - this.#at));
  }

  /** Passes over `size` bytes; `false` when the stream ended before. */
  async skip(size: number): Promise<boolean> {
    let left = size;
    while (left > 0) {
      const piece = await this.takeSome(left);
      if (piece === undefined) return false;
      left -= piece.length;
    }
    return true;
  }

  /** Reads to the end, so that a source that verifies what it gives can do so. */
  async drain(): Promise<void> {
    while ((await this.takeSome(Number.MAX_SAFE_INTEGER)) !== undefined) {
      // nothing is kept
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#ended) {
      this.#ended = true;
      await this.#source.return?.();
    }
  }

  #advance(size: number): void {
    this.#at += size;
    this.#position += size;
  }
}
