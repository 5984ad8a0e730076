/** Bytes of a chunk; a string is never divided. */
const CHUNK = 128 * 1024;
const SHIFT = 17;
const MASK = CHUNK - 1;

/** Byte strings (4 GiB of them at most) one after the other, each with its length in front; told apart by where they start. */
export class ByteColumn {
  /** Of {@link CHUNK} bytes each, but for the last. */
  readonly #chunks: Uint8Array<ArrayBuffer>[] = [new Uint8Array(256)];
  /** Bytes used of the last chunk. */
  #filled = 0;

  /** Appends a byte string; returns where it starts. */
  append(text: string): number {
    if (text.length > 0xffff) throw new RangeError("a byte column holds strings of at most 65535 bytes");
    const bytes = this.#room(3 + text.length);
    const start = this.#filled;
    let write = start;
    // names take one byte of length; 255 marks the longer ones, which take two more
    bytes[write++] = Math.min(text.length, 255);
    if (text.length >= 255) {
      bytes[write++] = text.length & 0xff;
      bytes[write++] = text.length >> 8;
    }
    for (let i = 0; i < text.length; i++) bytes[write + i] = text.charCodeAt(i);
    this.#filled = write + text.length;
    return (this.#chunks.length - 1) * CHUNK + start;
  }

  /** The byte string that starts at `at`. */
  read(at: number): string {
    const bytes = this.#chunk(at);
    const { start, end } = spanAt(bytes, at & MASK);
    if (end - start <= 64) return String.fromCharCode(...bytes.subarray(start, end));
    let text = "";
    for (let i = start; i < end; i += 4096) text += String.fromCharCode(...bytes.subarray(i, Math.min(end, i + 4096)));
    return text;
  }

  /** Order of the byte string at `at` and `text`. */
  compare(at: number, text: string): number {
    const bytes = this.#chunk(at);
    const { start, end } = spanAt(bytes, at & MASK);
    const length = Math.min(end - start, text.length);
    for (let i = 0; i < length; i++) {
      const difference = (bytes[start + i] ?? 0) - text.charCodeAt(i);
      if (difference !== 0) return difference;
    }
    return end - start - text.length;
  }

  /** Gives spare memory back. */
  trim(): void {
    this.#resizeLast(this.#filled);
  }

  #chunk(at: number): Uint8Array {
    return this.#chunks[at >>> SHIFT] as Uint8Array;
  }

  /** The last chunk, with so many bytes to spare. */
  #room(bytes: number): Uint8Array {
    if (this.#filled + bytes > CHUNK) {
      this.#chunks.push(new Uint8Array(CHUNK));
      this.#filled = 0;
    }
    const last = this.#chunks.at(-1) as Uint8Array;
    if (this.#filled + bytes <= last.length) return last;
    return this.#resizeLast(Math.min(CHUNK, Math.max(this.#filled + bytes, 2 * last.length)));
  }

  #resizeLast(size: number): Uint8Array {
    const bytes = new Uint8Array(size);
    const last = this.#chunks.pop();
    if (last !== undefined) bytes.set(last.subarray(0, Math.min(size, this.#filled)));
    this.#chunks.push(bytes);
    return bytes;
  }
}

function spanAt(bytes: Uint8Array, at: number): { readonly start: number; readonly end: number } {
  const short = bytes[at] ?? 0;
  if (short < 255) return { start: at + 1, end: at + 1 + short };
  const length = (bytes[at + 1] ?? 0) | ((bytes[at + 2] ?? 0) << 8);
  return { start: at + 3, end: at + 3 + length };
}
