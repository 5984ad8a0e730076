/** Codes thrown by `layer`, each with the sentence that docs/errors.md shows. */
export const LAYER_CODES = {
  LAYER_INVALID_ENTRY: "A layer holds an entry that no file tree can hold.",
  LAYER_TOO_MANY_LINKS: "A path goes through more than 40 symlinks.",
  LAYER_INVALID_INDEX: "A stored layer index is damaged or was written by another version of varve.",
  LAYER_CONTENT_SIZE: "A file has more or fewer bytes than the size it was listed with.",
} as const;
