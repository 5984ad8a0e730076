/** Codes thrown by `store`, each with the sentence that docs/errors.md shows. */
export const STORE_CODES = {
  STORE_BLOB_NOT_FOUND: "The store has no blob with this digest.",
  STORE_DIGEST_MISMATCH: "Bytes do not have the digest or size they were announced with.",
  STORE_REF_NOT_FOUND: "The store has no image of this name.",
  STORE_IO: "The store's disk refused an operation.",
} as const;
