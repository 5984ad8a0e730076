import { VarveError } from "@varve/errors";
import type { Digest } from "@varve/oci";
import { digestFromBytes, digestToBytes } from "./hex.ts";

/** Appends numbers and bytes to a growing buffer. */
export class IndexWriter {
  #bytes: Uint8Array<ArrayBuffer>;
  #length = 0;

  /** `expected` bytes are reserved. */
  constructor(expected = 1024) {
    this.#bytes = new Uint8Array(expected);
  }

  get length(): number {
    return this.#length;
  }

  /** A whole number from 0 to 2⁵³ - 1 in groups of seven bits, low ones first. */
  number(value: number): void {
    this.#reserve(8);
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes[this.#length++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#bytes[this.#length++] = rest;
  }

  /** A whole number that may be negative. */
  signed(value: number): void {
    this.number(value < 0 ? -2 * value - 1 : 2 * value);
  }

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  digest(digest: string): void {
    this.#reserve(32);
    digestToBytes(digest, this.#bytes, this.#length);
    this.#length += 32;
  }

  /** A byte string from `start` on, its length in front. */
  text(text: string, start = 0): void {
    this.number(text.length - start);
    this.#reserve(text.length - start);
    for (let i = start; i < text.length; i++) this.#bytes[this.#length++] = text.charCodeAt(i);
  }

  /** What was written; nothing may be added afterwards. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const bytes = new Uint8Array(Math.max(this.#length + more, this.#bytes.length * 2));
    bytes.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = bytes;
  }
}

/** Reads what {@link IndexWriter} wrote; throws LAYER_INVALID_INDEX past the end. */
export class IndexReader {
  readonly #bytes: Uint8Array;
  #at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.#bytes = bytes;
    this.#at = at;
  }

  /** Where the next byte is. */
  get at(): number {
    return this.#at;
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  number(): number {
    let value = 0;
    for (let factor = 1; factor <= 2 ** 49; factor *= 0x80) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw invalidIndex("it is truncated");
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
    throw invalidIndex("a number in it is too large");
  }

  signed(): number {
    const value = this.number();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  /** Passes over bytes. */
  skip(length: number): void {
    if (this.#at + length > this.#bytes.length) throw invalidIndex("it is truncated");
    this.#at += length;
  }

  /** A view of the next bytes. */
  raw(length: number): Uint8Array {
    this.skip(length);
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  digest(): Digest {
    return digestFromBytes(this.raw(32));
  }

  text(): string {
    const bytes = this.raw(this.number());
    if (bytes.length <= 64) return String.fromCharCode(...bytes);
    let text = "";
    for (let i = 0; i < bytes.length; i += 4096) text += String.fromCharCode(...bytes.subarray(i, i + 4096));
    return text;
  }
}

/** A LAYER_INVALID_INDEX. */
export function invalidIndex(why: string): VarveError {
  return new VarveError("LAYER_INVALID_INDEX", `the layer index cannot be read: ${why}`, { hint: "it can be made again from the layer" });
}
