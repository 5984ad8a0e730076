import type { Dockerfile } from "@varve/dockerfile";
import { type SourceRange, VarveError } from "@varve/errors";

/** Adds the Dockerfile's excerpt to an error that has none; anything but a VarveError passes unchanged. */
export function atSource(error: unknown, dockerfile: Dockerfile, range: SourceRange | undefined): unknown {
  if (!(error instanceof VarveError) || error.source !== undefined || range === undefined) return error;
  return new VarveError(error.code, error.message, {
    cause: error,
    hint: error.hint,
    details: error.details,
    source: { file: dockerfile.file, text: dockerfile.text, range },
  });
}
