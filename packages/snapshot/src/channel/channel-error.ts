import { ERROR_CODES, type ErrorCode, isVarveError, VarveError } from "@varve/errors";

/** An error as it travels. */
interface EncodedError {
  readonly code?: string;
  readonly message: string;
  readonly hint?: string;
  readonly details?: readonly string[];
}

/** Plain data for {@link decodeError}. */
export function encodeError(error: unknown): EncodedError {
  if (isVarveError(error)) {
    return { code: error.code, message: error.message, details: error.details, ...(error.hint === undefined ? {} : { hint: error.hint }) };
  }
  return { message: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}

/** The error of the other side; one without a code becomes SANDBOX_HELPER_FAILED. */
export function decodeError(data: unknown): VarveError {
  const { code, message, hint, details } = data as EncodedError;
  const known = code !== undefined && Object.hasOwn(ERROR_CODES, code) ? (code as ErrorCode) : undefined;
  if (known !== undefined) return new VarveError(known, message, { hint, details });
  const [first = "unknown error"] = message.split("\n");
  return new VarveError("SANDBOX_HELPER_FAILED", `the helper process failed: ${first}`, { cause: new Error(message) });
}
