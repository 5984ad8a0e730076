/** Codes thrown by `cli`, each with the sentence that docs/errors.md shows. */
export const CLI_CODES = {
  CLI_USAGE: "The command line cannot be understood.",
} as const;
