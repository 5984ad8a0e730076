import { type ErrorCode, type SourceRange, VarveError } from "@varve/errors";
import type { LineMap } from "./line-map.ts";

/** The text being parsed and the name it is shown by. */
export interface Source {
  readonly file: string;
  readonly lines: LineMap;
}

/** An error that points into `source`. */
export function sourceError(
  source: Source,
  code: ErrorCode,
  message: string,
  where: { readonly range: SourceRange; readonly hint?: string | undefined; readonly cause?: unknown },
): VarveError {
  return new VarveError(code, message, { hint: where.hint, cause: where.cause, source: { file: source.file, text: source.lines.text, range: where.range } });
}
