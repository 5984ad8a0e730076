import type { BytePath } from "@varve/bytes";

/** What `find` printed, a row an entry, in the order of the disk: compared as it is, without an object an entry. */
export interface FoundRows {
  readonly count: number;
  /** The newest time of a change of state, milliseconds since the epoch with fractions, as Node's `ctimeMs`. */
  readonly newest: number;
  /** Rows of files, not directories, that have several names. */
  readonly linked: readonly number[];
  /** Relative to the directory that was listed. */
  path(row: number): BytePath;
  /** As Node's `ctimeMs`. */
  changed(row: number): number;
  /** The whole row: equal ones say that nothing about a file has changed. */
  text(row: number): string;
  /** Whether a row of another listing is the same. */
  isSame(row: number, other: FoundRows, otherRow: number): boolean;
  readonly bytes: Buffer;
  /** Where each row starts, and where the last one ends. */
  readonly starts: Uint32Array;
}

const [SPACE, DOT, ZERO, NINE, DIRECTORY] = [0x20, 0x2e, 0x30, 0x39, 0x64];
/** Which field, from 0, is the number of names, and which the time of the last change of state; the path follows it. */
const [LINKS, CHANGED] = [4, 8];
/** Bytes of a row with the shortest path, at least; a listing has no more rows than that allows. */
const SHORTEST = 32;

/** Finds the rows of a listing in its format; `undefined` when anything is not as expected. */
export function findRows(bytes: Buffer): FoundRows | undefined {
  const starts = new Uint32Array(Math.floor(bytes.length / SHORTEST) + 2);
  const linked: number[] = [];
  let count = 0;
  let newest = 0;
  for (let at = 0; at < bytes.length; count++) {
    starts[count] = at;
    if (count + 1 >= starts.length) return undefined;
    if (bytes[at] !== DIRECTORY && !isOne(bytes, fieldAt(bytes, at, LINKS))) linked.push(count);
    const time = fieldAt(bytes, at, CHANGED);
    const changed = timeAt(bytes, time);
    if (changed === undefined) return undefined;
    if (changed > newest) newest = changed;
    const path = bytes.indexOf(0, time);
    const target = path < 0 ? -1 : bytes.indexOf(0, path + 1);
    if (target < 0) return undefined;
    at = target + 1;
  }
  starts[count] = bytes.length;
  const startOf = (row: number): number => starts[row] ?? 0;
  const rows: FoundRows = {
    count,
    newest,
    linked,
    bytes,
    starts,
    path(row) {
      const start = fieldAt(bytes, startOf(row), CHANGED + 1);
      return bytes.toString("latin1", start, bytes.indexOf(0, start)) as BytePath;
    },
    changed: (row) => timeAt(bytes, fieldAt(bytes, startOf(row), CHANGED)) ?? 0,
    text: (row) => bytes.toString("latin1", startOf(row), startOf(row + 1)),
    isSame(row, other, otherRow) {
      const [start, end] = [startOf(row), startOf(row + 1)];
      const otherStart = other.starts[otherRow] ?? 0;
      if (end - start !== (other.starts[otherRow + 1] ?? 0) - otherStart) return false;
      // rows that differ do so near their end
      for (let back = end - 1, otherBack = otherStart + (end - start) - 1; back >= start; back--, otherBack--)
        if (bytes[back] !== other.bytes[otherBack]) return false;
      return true;
    },
  };
  return rows;
}

/** Where a field starts, from 0, of the row that starts at `at`. */
function fieldAt(bytes: Buffer, at: number, field: number): number {
  let start = at;
  for (let left = field; left > 0 && start < bytes.length; start++) if (bytes[start] === SPACE) left--;
  return start;
}

function isOne(bytes: Buffer, at: number): boolean {
  return bytes[at] === ZERO + 1 && bytes[at + 1] === SPACE;
}

/** Seconds, a dot, and at least nine digits of nanoseconds. */
function timeAt(bytes: Buffer, at: number): number | undefined {
  let seconds = 0;
  let index = at;
  for (; isDigit(bytes[index]); index++) seconds = seconds * 10 + (bytes[index] ?? 0) - ZERO;
  if (index === at || bytes[index] !== DOT) return undefined;
  let nanoseconds = 0;
  for (let digit = 1; digit <= 9; digit++) {
    if (!isDigit(bytes[index + digit])) return undefined;
    nanoseconds = nanoseconds * 10 + (bytes[index + digit] ?? 0) - ZERO;
  }
  return seconds * 1e3 + nanoseconds / 1e6;
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= ZERO && byte <= NINE;
}
