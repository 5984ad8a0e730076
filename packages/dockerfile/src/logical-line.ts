import type { SourceRange } from "@varve/errors";
import { lastAtMost, type LineMap } from "./line-map.ts";

/** An instruction's line with its continuations joined, and where in the source each part of it came from. */
export interface LogicalLine {
  /** Leading blanks of the first physical line dropped; escapes that continue a line, comments and blank lines gone. */
  readonly text: string;
  /** Ascending; the part of `text` from `indexes[i]` on starts in the source at `offsets[i]`. */
  readonly indexes: readonly number[];
  readonly offsets: readonly number[];
}

/** A stretch of a logical line: `value` is that stretch, or what it stands for (flags without quotes, decoded JSON). */
export interface Token {
  readonly value: string;
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
}

/** Source offset of the character at `index` of the logical line. */
export function sourceOffset(line: LogicalLine, index: number): number {
  if (line.offsets.length === 1) return (line.offsets[0] ?? 0) + index;
  const part = lastAtMost(line.indexes, index);
  return (line.offsets[part] ?? 0) + index - (line.indexes[part] ?? 0);
}

/** Range of `[start, end)` of the logical line in the source; covers what continuations put in between. */
export function lineRange(lines: LineMap, line: LogicalLine, token: { readonly start: number; readonly end: number }): SourceRange {
  const start = sourceOffset(line, token.start);
  // the end is found through the last character, or a word before a continuation would reach into the next line
  const end = token.end > token.start ? sourceOffset(line, token.end - 1) + 1 : start;
  return lines.range(start, end);
}

/** The token `[start, end)` of `line`, value as written. */
export function sliceToken(line: LogicalLine, start: number, end: number): Token {
  return { value: line.text.slice(start, end), start, end };
}
