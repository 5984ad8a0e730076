/** Codes thrown by `snapshot`, each with the sentence that docs/errors.md shows. */
export const SNAPSHOT_CODES = {
  SNAPSHOT_APPLY_FAILED: "A layer could not be unpacked into a root filesystem.",
} as const;
