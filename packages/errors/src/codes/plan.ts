/** Codes thrown by `plan`, each with the sentence that docs/errors.md shows. */
export const PLAN_CODES = {
  PLAN_UNKNOWN_STAGE: "A stage, image or context that is named does not exist.",
  PLAN_INVALID_INSTRUCTION: "An instruction's values are not acceptable once variables are expanded.",
} as const;
