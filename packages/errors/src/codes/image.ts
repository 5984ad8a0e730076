/** Codes thrown by `image`, each with the sentence that docs/errors.md shows. */
export const IMAGE_CODES = {
  IMAGE_INVALID_ARCHIVE: "An image archive is not a docker-archive or oci-archive varve can read.",
} as const;
