import type { SourceRange } from "@varve/errors";
import type { Dockerfile } from "./ast.ts";

/** A replacement of a stretch of a Dockerfile's text. */
export interface Edit {
  readonly range: SourceRange;
  readonly text: string;
}

/**
 * The Dockerfile as text: every byte that no edit covers is as it was parsed, comments, blank lines, line endings and
 * byte order mark included, so without edits it gives back what was parsed. Edits may come in any order; overlapping
 * ones are a programming error (TypeError).
 */
export function printDockerfile(dockerfile: Dockerfile, edits: readonly Edit[] = []): string {
  const parts: string[] = [];
  let at = 0;
  for (const { range, text } of edits.toSorted((a, b) => a.range.start.offset - b.range.start.offset || a.range.end.offset - b.range.end.offset)) {
    if (range.start.offset < at) throw new TypeError("edits of a Dockerfile overlap");
    parts.push(dockerfile.text.slice(at, range.start.offset), text);
    at = range.end.offset;
  }
  parts.push(dockerfile.text.slice(at));
  return parts.join("");
}
