/** Codes thrown by `image`, each with the sentence that docs/errors.md shows. */
export const IMAGE_CODES = {
  IMAGE_INVALID_ARCHIVE: "An image archive is not a docker-archive or oci-archive varve can read.",
  IMAGE_NOT_AN_IMAGE: "What a name stands for is no container image (an artifact, or a type varve does not know).",
  IMAGE_TOO_NESTED: "Indexes are nested deeper than varve follows (3).",
  IMAGE_LAYER_MISMATCH: "A layer or blob is not what the image says it is (digest, size or diffID).",
  IMAGE_UNSUPPORTED_LAYER: "A layer is of a media type or compression varve cannot read.",
  IMAGE_LAYER_TOO_LARGE: "A layer inflates to more than a thousand times its size, past 1 GiB.",
  IMAGE_OUTPUT: "An image cannot be written where or as it was asked for.",
} as const;
