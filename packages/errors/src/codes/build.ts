/** Codes thrown by `build`, each with the sentence that docs/errors.md shows. */
export const BUILD_CODES = {
  BUILD_RUN_FAILED: "A RUN step ended with a non-zero exit code.",
  BUILD_COPY_SOURCE_NOT_FOUND: "A COPY or ADD source does not exist.",
  BUILD_CANCELLED: "The build was cancelled.",
} as const;
