/** Codes thrown by `archive`, each with the sentence that docs/errors.md shows. */
export const ARCHIVE_CODES = {
  ARCHIVE_MALFORMED_TAR: "A tar archive has a header or record that cannot be read safely.",
  ARCHIVE_MALFORMED_COMPRESSION: "A compressed stream is truncated, corrupt or followed by garbage.",
  ARCHIVE_UNSUPPORTED_COMPRESSION: "A stream is compressed in a way this Node version cannot read.",
} as const;
