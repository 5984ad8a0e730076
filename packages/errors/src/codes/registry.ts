/** Codes thrown by `registry`, each with the sentence that docs/errors.md shows. */
export const REGISTRY_CODES = {
  REGISTRY_UNREACHABLE: "A registry could not be reached.",
  REGISTRY_UNAUTHORIZED: "A registry refused the credentials, or wants some.",
  REGISTRY_NOT_FOUND: "A registry has no such repository, tag or blob.",
  REGISTRY_PROTOCOL: "A registry answered in a way the distribution spec does not allow.",
} as const;
