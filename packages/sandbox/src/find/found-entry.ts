import { type BytePath, comparePaths } from "@varve/bytes";

/** What `lstat` says of a file, as `find` printed it. Numbers are unsigned but for the times, which are nanoseconds since the epoch. */
export interface FoundEntry {
  /** Relative to the directory that was listed. */
  readonly path: BytePath;
  /** Type and permissions, as `st_mode`. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly links: number;
  readonly device: bigint;
  readonly inode: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  /** Of symlinks. */
  readonly linkTarget: BytePath | undefined;
}

/** What `find -printf` is given: numbers first, so that a path may hold anything but a zero. */
export const FORMAT: string = String.raw`%y%m %U %G %s %n %D %i %T@ %C@ %P\0%l\0`;

const TYPES: ReadonlyMap<number, number> = new Map(
  Object.entries({ f: 0o100000, d: 0o040000, l: 0o120000, p: 0o010000, s: 0o140000, c: 0o020000, b: 0o060000 }).map(([letter, type]) => [
    letter.charCodeAt(0),
    type,
  ]),
);
const SPACE = 0x20;
const DOT = 0x2e;
const ZERO = 0x30;
const TWO_32 = 2 ** 32;

/**
 * The entries of a listing, sorted as a walk: parents first, siblings by bytes. `undefined` when anything of it is not as expected: another program
 * than GNU's, a time before 1970, a number too large. Each is read again when it is asked for: of many entries little is held but their paths.
 */
export function readFound(bytes: Buffer): Iterable<FoundEntry> | undefined {
  const reader = new FoundReader(bytes);
  const records: { readonly path: BytePath; readonly at: number }[] = [];
  while (!reader.done) {
    const { at } = reader;
    const entry = reader.next();
    if (entry === undefined) return undefined;
    records.push({ path: entry.path, at });
  }
  records.sort((a, b) => comparePaths(a.path, b.path));
  return {
    *[Symbol.iterator]() {
      for (const { at } of records) {
        reader.at = at;
        const entry = reader.next();
        if (entry !== undefined) yield entry;
      }
    },
  };
}

/** Reads records byte by byte: as texts their numbers would take longer than the listing itself. */
export class FoundReader {
  readonly #bytes: Buffer;
  /** Where the next record begins. */
  at = 0;
  #failed = false;
  /** One number made of two halves, low and high where the machine is little-endian. */
  readonly #halves = new Uint32Array(2);
  readonly #whole = new BigUint64Array(this.#halves.buffer);
  readonly #high = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1 ? 1 : 0;

  /** `bytes` are what `find` printed. */
  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Whether there is none any more. */
  get done(): boolean {
    return this.at >= this.#bytes.length;
  }

  /** `undefined` for what is no record, and from then on. */
  next(): FoundEntry | undefined {
    const type = TYPES.get(this.#bytes[this.at++] ?? 0);
    const permissions = this.#number(8);
    const uid = this.#number(10);
    const gid = this.#number(10);
    const size = this.#number(10);
    const links = this.#number(10);
    const device = this.#large();
    const inode = this.#large();
    const mtimeNs = this.#time();
    const ctimeNs = this.#time();
    const path = this.#text();
    const target = this.#text();
    if (this.#failed || type === undefined || path === "") return undefined;
    const linkTarget = type === 0o120000 ? target : undefined;
    return { path, mode: type | permissions, uid, gid, size, links, device, inode, mtimeNs, ctimeNs, linkTarget };
  }

  /** Up to and over the space behind it. */
  #number(base: 8 | 10, end: number = SPACE): number {
    const start = this.at;
    let value = 0;
    for (; ; this.at++) {
      const digit = (this.#bytes[this.at] ?? 0) - ZERO;
      if (digit < 0 || digit >= base) break;
      value = value * base + digit;
    }
    if (this.at === start || this.#bytes[this.at] !== end || value > Number.MAX_SAFE_INTEGER) this.#failed = true;
    this.at++;
    return value;
  }

  #large(): bigint {
    const start = this.at;
    const value = this.#number(10);
    // exact up to 15 digits, and never longer but for inodes that some file systems make up
    return this.at - start <= 16 ? this.#join(value % TWO_32, Math.floor(value / TWO_32)) : this.#digits(start);
  }

  #digits(start: number): bigint {
    const text = this.#bytes.toString("latin1", start, this.at - 1);
    if (!/^\d{1,20}$/.test(text)) {
      this.#failed = true;
      return 0n;
    }
    return BigInt(text);
  }

  /** Seconds, a dot, nine digits of nanoseconds, and zeros. */
  #time(): bigint {
    const seconds = this.#number(10, DOT);
    const start = this.at;
    let nanoseconds = 0;
    for (; this.#bytes[this.at] !== SPACE; this.at++) {
      const digit = (this.#bytes[this.at] ?? 0) - ZERO;
      const isFraction = this.at - start < 9;
      if (digit < 0 || digit > 9 || (!isFraction && digit !== 0)) {
        this.#failed = true;
        break;
      }
      if (isFraction) nanoseconds = nanoseconds * 10 + digit;
    }
    if (this.at - start < 9) this.#failed = true;
    this.at++;
    // seconds × 10⁹ in halves of 32 bits, each step below 2⁵³
    const upper = Math.floor(seconds / 65_536) * 1e9;
    const lower = (upper % 65_536) * 65_536 + (seconds % 65_536) * 1e9 + nanoseconds;
    return this.#join(lower % TWO_32, Math.floor(upper / 65_536) + Math.floor(lower / TWO_32));
  }

  #join(low: number, high: number): bigint {
    this.#halves[1 - this.#high] = low;
    this.#halves[this.#high] = high;
    return this.#whole[0] ?? 0n;
  }

  /** Up to and over the zero behind it. */
  #text(): BytePath {
    const end = this.#bytes.indexOf(0, this.at);
    if (end === -1) this.#failed = true;
    const text = this.#bytes.toString("latin1", this.at, end === -1 ? this.#bytes.length : end);
    this.at = end === -1 ? this.#bytes.length : end + 1;
    return text as BytePath;
  }
}
