/** A word of a program: 64 bits, little-endian; negative ones in two's complement. */
export type Word = number | bigint;

/** Bytes that grow at their end; every piece starts at a multiple of 8. */
export interface GrowingBytes {
  /** Bytes so far, padding included. */
  readonly length: number;
  /** Each append gives where its piece starts. */
  append(bytes: Uint8Array): number;
  /** Latin1, one character a byte, and a NUL. */
  appendText(text: string): number;
  appendWords(words: readonly Word[]): number;
  /** Appends zeros: the room is new. */
  extend(size: number): number;
  setWord(at: number, word: Word): void;
  /** A view; valid until something is appended. */
  bytes(): Uint8Array;
}

const TWO_32 = 0x1_0000_0000;

/** Creates empty {@link GrowingBytes}. Programs for thousands of files are made of it, so nothing is allocated for a word or a text. */
export function createGrowingBytes(): GrowingBytes {
  let room = Buffer.alloc(1024);
  // launchers there are for little-endian machines only
  let halves = new Uint32Array(room.buffer, room.byteOffset, room.length / 4);
  let length = 0;
  const extend = (size: number): number => {
    const at = length;
    length += (size + 7) & ~7;
    if (length > room.length) {
      const grown = Buffer.alloc(Math.max(length, room.length * 2));
      room.copy(grown);
      room = grown;
      halves = new Uint32Array(room.buffer, room.byteOffset, room.length / 4);
    }
    return at;
  };
  const setWord = (at: number, word: Word): void => {
    if (typeof word === "number" && word >= 0 && word < TWO_32) {
      halves[at / 4] = word;
      halves[at / 4 + 1] = 0;
    } else if (typeof word === "bigint" || word < 0) room.writeBigUInt64LE(BigInt.asUintN(64, BigInt(word)), at);
    else {
      halves[at / 4] = word % TWO_32;
      halves[at / 4 + 1] = Math.floor(word / TWO_32);
    }
  };
  return {
    get length() {
      return length;
    },
    append(bytes) {
      const at = extend(bytes.length);
      room.set(bytes, at);
      return at;
    },
    appendText(text) {
      const at = extend(text.length + 1);
      room.write(text, at, "latin1");
      return at;
    },
    appendWords(words) {
      const at = extend(8 * words.length);
      for (let i = 0; i < words.length; i++) setWord(at + 8 * i, words[i] ?? 0);
      return at;
    },
    extend,
    setWord,
    bytes: () => room.subarray(0, length),
  };
}
