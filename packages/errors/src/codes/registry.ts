/** Codes thrown by `registry`, each with the sentence that docs/errors.md shows. */
export const REGISTRY_CODES = {
  REGISTRY_UNREACHABLE: "A registry could not be reached, or broke the connection again and again.",
  REGISTRY_TLS: "A registry's certificate is not trusted, or it does not speak TLS.",
  REGISTRY_UNAUTHORIZED: "A registry refused the credentials, or wants some.",
  REGISTRY_DENIED: "A registry knows who is asking and does not allow it.",
  REGISTRY_NOT_FOUND: "A registry has no such repository, tag or blob.",
  REGISTRY_REFUSED: "A registry understood a request and refused it.",
  REGISTRY_RATE_LIMITED: "A registry asks for fewer requests.",
  REGISTRY_UNAVAILABLE: "A registry answered again and again that it cannot serve now.",
  REGISTRY_PROTOCOL: "A registry answered in a way the distribution spec does not allow.",
  REGISTRY_TOO_LARGE: "A registry's answer is larger than varve accepts (manifest 4 MiB, token 1 MiB).",
  REGISTRY_DIGEST_MISMATCH: "A registry sent, or was to be sent, bytes without the digest or size they were announced with.",
  REGISTRY_RANGE: "A part of a blob was asked for that lies outside it.",
  REGISTRY_UNSAFE_REDIRECT: "A registry sends its client on to a place that is not safe to follow to.",
  REGISTRY_CREDENTIALS: "Docker's config.json cannot be read, or a credential helper failed.",
  REGISTRY_LISTEN: "The embedded registry cannot listen on the address it was given.",
} as const;
