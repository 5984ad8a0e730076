/** Codes thrown by `plan`, each with the sentence that docs/errors.md shows. */
export const PLAN_CODES = {
  PLAN_UNKNOWN_STAGE: "A stage, image or context that is named does not exist.",
  PLAN_STAGE_ORDER: "A stage is used before it is defined, or stages need each other in a circle.",
  PLAN_INVALID_BASE: "A FROM line gives no usable image or platform once variables are expanded.",
  PLAN_BASE_MISSING: "A plan was asked for without the config of a base image it needs.",
  PLAN_INVALID_INSTRUCTION: "An instruction's values are not acceptable once variables are expanded.",
  PLAN_INVALID_MOUNT: "A RUN mount has a field it cannot have, lacks one it needs, or has a value that means nothing.",
  PLAN_TOO_LARGE: "What the variables and lists of a Dockerfile amount to is past the limit of 64 MiB.",
  PLAN_CHECK_FAILED: "A check found something, and the Dockerfile says check=error=true.",
} as const;
