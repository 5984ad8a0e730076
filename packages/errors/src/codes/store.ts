/** Codes thrown by `store`, each with the sentence that docs/errors.md shows. */
export const STORE_CODES = {
  STORE_BLOB_NOT_FOUND: "The store has no blob with this digest.",
  STORE_CORRUPT_INDEX: "The store's index.json or oci-layout cannot be read.",
  STORE_DIGEST_MISMATCH: "Bytes do not have the digest or size they were announced with.",
  STORE_DISK_FULL: "The disk that holds the store is full, or a quota is reached.",
  STORE_INVALID_NAME: "A ref or folder name cannot be used in the store.",
  STORE_IO: "The store's disk refused an operation.",
  STORE_LOCKED: "A lock is held by a process whose end cannot be observed from here.",
  STORE_RANGE: "A part of a blob was asked for that lies outside it.",
  STORE_REF_NOT_FOUND: "The store has no image of this name.",
  STORE_UNSUPPORTED_LAYOUT: "The store's folder is an image layout of a version that is not supported.",
} as const;
