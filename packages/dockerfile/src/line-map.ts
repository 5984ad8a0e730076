import type { Position, SourceRange } from "@varve/errors";

/** Turns offsets of one text into lines and columns. */
export interface LineMap {
  readonly text: string;
  position(offset: number): Position;
  /** `end` is exclusive. */
  range(start: number, end: number): SourceRange;
}

const BYTE_ORDER_MARK = 0xfeff;

/** Builds a {@link LineMap}. Lines end at `\n`; a byte order mark takes up an offset but no column. */
export function createLineMap(text: string): LineMap {
  const starts = [0];
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  const mark = text.charCodeAt(0) === BYTE_ORDER_MARK ? 1 : 0;
  // the line asked for last: a parser asks for places in order, so the next one is nearly always on it
  let line = 0;
  let start = 0;
  let next = starts[1] ?? Number.POSITIVE_INFINITY;
  const position = (offset: number): Position => {
    if (offset < start || offset >= next) {
      line = lastAtMost(starts, offset);
      start = starts[line] ?? 0;
      next = starts[line + 1] ?? Number.POSITIVE_INFINITY;
    }
    return { line: line + 1, column: Math.max(1, offset - start + 1 - (line === 0 ? mark : 0)), offset };
  };
  return { text, position, range: (from, to) => ({ start: position(from), end: position(to) }) };
}

/** Index of the last number that is not above `wanted`; the list ascends and starts with the smallest possible. */
export function lastAtMost(ascending: readonly number[], wanted: number): number {
  let low = 0;
  let high = ascending.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((ascending[middle] ?? 0) <= wanted) low = middle;
    else high = middle - 1;
  }
  return low;
}
