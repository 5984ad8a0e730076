import { VarveError } from "@varve/errors";
import { TransientFailure } from "./retry.ts";

/** What {@link networkFailure} needs to know of a request that got no (whole) answer. */
export interface FailedRequest {
  readonly url: URL;
  /** Whether this origin has answered before: then a refused connection may pass. */
  readonly known: boolean;
}

const PASSING = new Set([
  "ECONNRESET",
  "ECONNABORTED",
  "EPIPE",
  "ETIMEDOUT",
  "EAI_AGAIN",
  "ENETRESET",
  "UND_ERR_SOCKET",
  "UND_ERR_CONNECT_TIMEOUT",
  "UND_ERR_HEADERS_TIMEOUT",
  "UND_ERR_BODY_TIMEOUT",
  "UND_ERR_RES_CONTENT_LENGTH_MISMATCH",
  // the socket a request was about to use went away
  "UND_ERR_INFO",
]);
const PASSING_ONCE_KNOWN = new Set(["ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "EHOSTDOWN", "ENETDOWN", "ENOTFOUND"]);
/** OpenSSL's words for bytes that are no TLS. */
const NO_TLS = new Set(["ERR_SSL_WRONG_VERSION_NUMBER", "ERR_SSL_PACKET_LENGTH_TOO_LONG", "ERR_SSL_HTTP_REQUEST", "ERR_SSL_UNKNOWN_PROTOCOL"]);
const UNTRUSTED = new Set([
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "CERT_UNTRUSTED",
]);

/** The error for a request that got no answer, or only part of one: a {@link TransientFailure} where another try may help. */
export function networkFailure(error: unknown, request: FailedRequest): Error {
  // a tunnel, or a guard, that knew better
  if (error instanceof VarveError || error instanceof TransientFailure) return error;
  const code = errorCode(error);
  const { host } = request.url;
  const tls = tlsFailure(error, code, request.url);
  if (tls !== undefined) return tls;
  // undici names no code where the very first bytes are wrong
  if (code.startsWith("HPE_") || (error instanceof Error && error.name === "HTTPParserError")) {
    const hint = request.url.protocol === "http:" ? "it may speak https only" : undefined;
    return new VarveError("REGISTRY_PROTOCOL", `${host} does not answer in HTTP`, { hint, cause: error });
  }
  const final = new VarveError("REGISTRY_UNREACHABLE", `cannot reach ${host}: ${reasonOf(error, code)}`, { hint: hintFor(code), cause: error });
  const passing = PASSING.has(code) || (request.known && PASSING_ONCE_KNOWN.has(code));
  return passing ? new TransientFailure(final) : final;
}

/** Whether a failure means that the host does not speak TLS on that port. */
export function isNoTls(code: string): boolean {
  return NO_TLS.has(code);
}

/** The code of a system, TLS or undici error, looked for through its causes; empty when there is none. */
export function errorCode(error: unknown): string {
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    if ("code" in at && typeof at.code === "string") return at.code;
  }
  return "";
}

function tlsFailure(error: unknown, code: string, url: URL): VarveError | undefined {
  const { host } = url;
  if (isNoTls(code)) {
    return new VarveError("REGISTRY_TLS", `${host} does not speak TLS`, { hint: `if it speaks plain http, add --insecure-registry ${host}`, cause: error });
  }
  if (code.startsWith("ERR_SSL_") || code === "EPROTO") {
    const hint = code.includes("CERTIFICATE_REQUIRED") ? "it wants a client certificate, which varve does not support" : undefined;
    return new VarveError("REGISTRY_TLS", `the TLS handshake with ${host} failed: ${reasonOf(error, code)}`, { hint, cause: error });
  }
  if (UNTRUSTED.has(code)) {
    const hint = `point NODE_EXTRA_CA_CERTS at the certificate authority's PEM file, or add --insecure-registry ${host}`;
    return new VarveError("REGISTRY_TLS", `the certificate of ${host} is not signed by a known authority`, { hint, cause: error });
  }
  if (code === "CERT_HAS_EXPIRED" || code === "CERT_NOT_YET_VALID" || code === "CERT_REVOKED" || code === "ERR_TLS_CERT_ALTNAME_INVALID") {
    const why =
      code === "ERR_TLS_CERT_ALTNAME_INVALID"
        ? "is for another host"
        : code === "CERT_HAS_EXPIRED"
          ? "has expired"
          : code === "CERT_REVOKED"
            ? "was revoked"
            : "is not valid yet";
    return new VarveError("REGISTRY_TLS", `the certificate of ${host} ${why}`, { hint: "renew it, or check this machine's clock", cause: error });
  }
  return undefined;
}

function reasonOf(error: unknown, code: string): string {
  switch (code) {
    case "ECONNREFUSED":
      return "connection refused";
    case "ENOTFOUND":
      return "no such host";
    case "EAI_AGAIN":
      return "its name cannot be looked up now";
    case "ECONNRESET":
    case "EPIPE":
    case "UND_ERR_SOCKET":
      return "the connection broke";
    case "UND_ERR_CONNECT_TIMEOUT":
    case "UND_ERR_HEADERS_TIMEOUT":
    case "UND_ERR_BODY_TIMEOUT":
    case "ETIMEDOUT":
      return "it does not answer in time";
    default:
      return error instanceof Error && error.message !== "" ? error.message : String(error);
  }
}

function hintFor(code: string): string | undefined {
  if (code === "ECONNREFUSED") return "is the registry running, and is the port right?";
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") return "check the registry's name, and the network";
  return undefined;
}
