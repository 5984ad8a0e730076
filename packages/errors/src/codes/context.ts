/** Codes thrown by `context`, each with the sentence that docs/errors.md shows. */
export const CONTEXT_CODES = {
  CONTEXT_NOT_FOUND: "The build context or a file in it does not exist.",
  CONTEXT_CHANGED: "A file of the context changed while it was read.",
} as const;
