/** Byte strings one after the other, each with its length in front; told apart by where they start. */
export class ByteColumn {
  #bytes = new Uint8Array(256);
  #length = 0;

  /** Appends a byte string; returns where it starts. */
  append(text: string): number {
    const at = this.#length;
    if (text.length > 0xffff) throw new RangeError("a byte column holds strings of at most 65535 bytes");
    const needed = at + 3 + text.length;
    if (needed > this.#bytes.length) this.#resize(Math.max(needed, this.#bytes.length * 2));
    let write = at;
    // names take one byte of length; 255 marks the longer ones, which take two more
    this.#bytes[write++] = Math.min(text.length, 255);
    if (text.length >= 255) {
      this.#bytes[write++] = text.length & 0xff;
      this.#bytes[write++] = text.length >> 8;
    }
    for (let i = 0; i < text.length; i++) this.#bytes[write + i] = text.charCodeAt(i);
    this.#length = write + text.length;
    return at;
  }

  /** The byte string that starts at `at`. */
  read(at: number): string {
    const { start, end } = this.#span(at);
    if (end - start <= 64) return String.fromCharCode(...this.#bytes.subarray(start, end));
    let text = "";
    for (let i = start; i < end; i += 4096) text += String.fromCharCode(...this.#bytes.subarray(i, Math.min(end, i + 4096)));
    return text;
  }

  /** Order of the byte string at `at` and `text`. */
  compare(at: number, text: string): number {
    const { start, end } = this.#span(at);
    const length = Math.min(end - start, text.length);
    for (let i = 0; i < length; i++) {
      const difference = (this.#bytes[start + i] ?? 0) - text.charCodeAt(i);
      if (difference !== 0) return difference;
    }
    return end - start - text.length;
  }

  trim(): void {
    this.#resize(this.#length);
  }

  #span(at: number): { readonly start: number; readonly end: number } {
    const short = this.#bytes[at] ?? 0;
    if (short < 255) return { start: at + 1, end: at + 1 + short };
    const length = (this.#bytes[at + 1] ?? 0) | ((this.#bytes[at + 2] ?? 0) << 8);
    return { start: at + 3, end: at + 3 + length };
  }

  #resize(size: number): void {
    const bytes = new Uint8Array(size);
    bytes.set(this.#bytes.subarray(0, Math.min(size, this.#length)));
    this.#bytes = bytes;
  }
}
