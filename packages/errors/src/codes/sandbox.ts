/** Codes thrown by `sandbox`, each with the sentence that docs/errors.md shows. */
export const SANDBOX_CODES = {
  SANDBOX_UNAVAILABLE: "No sandbox that works here can run this step.",
  SANDBOX_HELPER_FAILED: "The helper process inside the namespaces stopped.",
} as const;
