import { VarveError } from "@varve/errors";

/** An ARCHIVE_MALFORMED_COMPRESSION; a cause that is a VarveError already is passed on as it is. */
export function corrupt(format: string, cause?: unknown, how = "truncated or corrupt"): VarveError {
  if (cause instanceof VarveError) return cause;
  return new VarveError("ARCHIVE_MALFORMED_COMPRESSION", `the ${format} stream is ${how}`, cause === undefined ? {} : { cause });
}
