/** Codes thrown by `dockerfile`, each with the sentence that docs/errors.md shows. */
export const DOCKERFILE_CODES = {
  DOCKERFILE_UNKNOWN_INSTRUCTION: "A line starts with a word that is no instruction.",
  DOCKERFILE_SYNTAX: "A line does not follow the instruction's grammar.",
  DOCKERFILE_EXPANSION: "A variable expression cannot be expanded.",
} as const;
