import type { Dockerfile } from "@varve/dockerfile";
import { type ErrorCode, type SourceExcerpt, type SourceRange, VarveError } from "@varve/errors";

/** Where in a Dockerfile something stands; `trigger` is the text of the ONBUILD trigger it stands in, when it does. */
export interface Place {
  readonly dockerfile: Dockerfile;
  readonly range: SourceRange;
  readonly trigger?: string | undefined;
}

/** The excerpt errors show of a place. */
export function excerptOf(place: Place): SourceExcerpt {
  return { file: place.dockerfile.file, text: place.dockerfile.text, range: place.range };
}

/** An error at a place. */
export function planError(
  code: ErrorCode,
  message: string,
  place: Place,
  more: { readonly hint?: string | undefined; readonly cause?: unknown } = {},
): VarveError {
  return new VarveError(code, message, { ...more, source: excerptOf(place), details: triggerDetails(place) });
}

/** Gives an error that has no excerpt the one of `place`, and `hint` in place of its own; what is no VarveError passes unchanged. */
export function located(error: unknown, place: Place, hint?: string): unknown {
  if (!(error instanceof VarveError) || (error.source !== undefined && place.trigger === undefined)) return error;
  return new VarveError(error.code, error.message, {
    hint: hint ?? error.hint ?? (error.code === "OCI_INVALID_REFERENCE" ? "write name:tag or name@sha256:DIGEST, in lower case" : undefined),
    cause: error,
    source: excerptOf(place),
    details: [...error.details, ...triggerDetails(place)],
  });
}

function triggerDetails(place: Place): readonly string[] {
  return place.trigger === undefined ? [] : [`in the ONBUILD trigger of the base: ${place.trigger.split("\n", 1)[0] ?? ""}`];
}
