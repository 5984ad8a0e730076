import { type FoundEntry, FoundReader } from "@varve/sandbox";
import { isDirectory, isRegular } from "./disk-stat.ts";

/** A row of an earlier listing that isn't the same any more. */
export interface RowChange {
  readonly row: number;
  readonly entry: FoundEntry;
  /** Whether it is the same directory, or a regular file with one name and the permissions it had. */
  readonly isAlike: boolean;
}

/** What became of the rows of an earlier listing, all of which are still there in their order, and no others. */
export interface RowChanges {
  readonly changes: readonly RowChange[];
  /** Where each row of the later listing starts, and where the last one ends. */
  readonly starts: Uint32Array<ArrayBuffer>;
}

/** Bytes that are compared at once. */
const BLOCK = 16 * 1024;

/**
 * Compares what `find` printed with what it printed earlier, as bytes but for the rows that differ. `doubtful` rows count as changed though they are the
 * same. `undefined` when rows came, went or moved, or more than `limit` changed.
 */
export function compareListings(
  earlier: { readonly bytes: Buffer; readonly starts: Uint32Array; readonly doubtful: Uint32Array },
  later: Buffer,
  limit: number,
): RowChanges | undefined {
  const count = earlier.starts.length - 1;
  const starts = new Uint32Array(count + 1);
  const doubtful = new Set(earlier.doubtful);
  const before = new FoundReader(earlier.bytes);
  const after = new FoundReader(later);
  const changes: RowChange[] = [];
  let shift = 0;
  for (let row = 0; row < count;) {
    const at = differenceAt(earlier.bytes, later, earlier.starts[row] ?? 0, shift);
    const next = at === undefined ? count : rowAt(earlier.starts, at);
    for (; row < next; row++) starts[row] = (earlier.starts[row] ?? 0) + shift;
    if (at === undefined) break;
    before.at = earlier.starts[row] ?? 0;
    after.at = before.at + shift;
    starts[row++] = after.at;
    const old = before.next();
    const entry = after.next();
    if (old === undefined || entry === undefined || old.path !== entry.path || changes.length >= limit) return undefined;
    changes.push({ row: row - 1, entry, isAlike: isAlike(old, entry) });
    doubtful.delete(row - 1);
    shift = after.at - before.at;
  }
  starts[count] = (earlier.starts[count] ?? 0) + shift;
  if (starts[count] !== later.length) return undefined;
  for (const row of doubtful) {
    after.at = starts[row] ?? 0;
    const entry = after.next();
    if (entry === undefined) return undefined;
    changes.push({ row, entry, isAlike: isAlike(entry, entry) });
  }
  return { changes, starts };
}

function isAlike(old: FoundEntry, now: FoundEntry): boolean {
  if (old.mode !== now.mode || old.device !== now.device) return false;
  return isDirectory(now.mode) ? old.inode === now.inode : isRegular(now.mode) && old.links === 1 && now.links === 1;
}

/** The first byte from `from` on that isn't the same `shift` bytes later in the other; `undefined` when all up to the end are. */
function differenceAt(earlier: Buffer, later: Buffer, from: number, shift: number): number | undefined {
  for (let at = from; at < earlier.length; at += BLOCK) {
    const end = Math.min(at + BLOCK, earlier.length);
    const otherEnd = Math.min(end + shift, later.length);
    if (otherEnd === end + shift && earlier.compare(later, at + shift, otherEnd, at, end) === 0) continue;
    for (let i = at; i < end; i++) if (earlier[i] !== later[i + shift]) return i;
  }
  return undefined;
}

/** The row that holds a byte. */
function rowAt(starts: Uint32Array, at: number): number {
  let low = 0;
  let high = starts.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if ((starts[middle] ?? 0) <= at) low = middle;
    else high = middle;
  }
  return low;
}
