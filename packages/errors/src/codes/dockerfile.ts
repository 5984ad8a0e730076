/** Codes thrown by `dockerfile`, each with the sentence that docs/errors.md shows. */
export const DOCKERFILE_CODES = {
  DOCKERFILE_EMPTY: "A Dockerfile has no instruction, or no FROM.",
  DOCKERFILE_DIRECTIVE: "A parser directive is repeated or has a value it cannot have.",
  DOCKERFILE_UNKNOWN_INSTRUCTION: "A line starts with a word that is no instruction.",
  DOCKERFILE_UNKNOWN_FLAG: "An instruction has a flag it does not know.",
  DOCKERFILE_FLAG: "A flag of an instruction is repeated, lacks its value, or has one it cannot have.",
  DOCKERFILE_SYNTAX: "A line does not follow the instruction's grammar.",
  DOCKERFILE_HEREDOC: "A heredoc has no end, or stands where none can.",
  DOCKERFILE_GIT_REFERENCE: "The URL of a git source has a query it cannot have, or one that is at odds with the rest of it.",
  DOCKERFILE_EXPANSION: "A variable expression cannot be expanded.",
  DOCKERFILE_TOO_LARGE: "A Dockerfile or ignore file is larger than its limit.",
  DOCKERFILE_IGNORE_PATTERN: "A line of an ignore file is no valid pattern.",
} as const;
