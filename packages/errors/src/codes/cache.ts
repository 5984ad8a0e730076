/** Codes thrown by `cache`, each with the sentence that docs/errors.md shows. */
export const CACHE_CODES = {
  CACHE_CORRUPT_RECORD: "A cache record cannot be read.",
  CACHE_WRITE: "A cache record cannot be written.",
} as const;
