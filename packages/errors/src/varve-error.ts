import type { ErrorCode } from "./codes.ts";
import type { SourceExcerpt } from "./source-range.ts";

/** What a {@link VarveError} may carry beside its message. */
export interface VarveErrorOptions {
  /** The remedy, one sentence, lower case, no full stop needed. */
  readonly hint?: string | undefined;
  readonly cause?: unknown;
  /** Where in a Dockerfile (or another text) the error lies. */
  readonly source?: SourceExcerpt | undefined;
  /** The last lines of a failed step, or other lines shown indented below the message. */
  readonly details?: readonly string[] | undefined;
}

/**
 * The only error varve throws on purpose. The message is one lower-case clause that names the operand; the
 * remedy is in `hint`. Anything else that escapes is a bug.
 */
export class VarveError extends Error {
  override readonly name = "VarveError";
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly source: SourceExcerpt | undefined;
  readonly details: readonly string[];

  constructor(code: ErrorCode, message: string, options: VarveErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
    this.source = options.source;
    this.details = options.details ?? [];
  }
}

/** Whether `error` is a {@link VarveError}, and, when codes are given, one of those. */
export function isVarveError(error: unknown, ...codes: readonly ErrorCode[]): error is VarveError {
  return error instanceof VarveError && (codes.length === 0 || codes.includes(error.code));
}
