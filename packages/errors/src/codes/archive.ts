/** Codes thrown by `archive`, each with the sentence that docs/errors.md shows. */
export const ARCHIVE_CODES = {
  ARCHIVE_MALFORMED_TAR: "A tar archive has a header or record that cannot be read safely.",
  ARCHIVE_UNSUPPORTED_TAR: "A tar archive holds an entry of a kind varve does not read (sparse files, volumes, unknown types).",
  ARCHIVE_TAR_LIMIT: "A PAX or GNU record of a tar archive is larger than 1 MiB.",
  ARCHIVE_UNENCODABLE: "An entry has a value that a tar header cannot hold.",
  ARCHIVE_MALFORMED_COMPRESSION: "A compressed stream is truncated, corrupt or followed by garbage.",
  ARCHIVE_UNSUPPORTED_COMPRESSION: "A stream is compressed in a way varve cannot read.",
  ARCHIVE_INVALID_CODEC: "A compression is asked for that cannot be written here, or a level it does not have.",
} as const;
