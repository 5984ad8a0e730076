/** Codes thrown by `context`, each with the sentence that docs/errors.md shows. */
export const CONTEXT_CODES = {
  CONTEXT_NOT_FOUND: "The build context or a file in it does not exist.",
  CONTEXT_UNREADABLE: "The build context or a file in it cannot be read.",
  CONTEXT_CHANGED: "A file of the context changed while it was read.",
  CONTEXT_TOO_LARGE: "A Dockerfile or ignore file of the context is larger than 4 MiB.",
  CONTEXT_INVALID_ARCHIVE: "An archive given as context or to ADD holds an entry that no file tree can hold.",
  CONTEXT_DOWNLOAD_FAILED: "A URL could not be downloaded.",
  CONTEXT_CHECKSUM_MISMATCH: "What was downloaded does not have the checksum it was announced with.",
  CONTEXT_GIT_FAILED: "A git repository could not be fetched.",
} as const;
