import type { SourceRange } from "@varve/errors";

/** A range of lines, as BuildKit's JSON has it. */
interface LineRange {
  readonly start: { readonly line: number };
  readonly end: { readonly line: number };
}

/** A place in a Dockerfile as BuildKit's JSON has it: one range a line. */
export function locationOf({ start, end }: SourceRange): { readonly ranges: readonly LineRange[] } {
  return { ranges: Array.from({ length: end.line - start.line + 1 }, (_, i) => ({ start: { line: start.line + i }, end: { line: start.line + i } })) };
}
