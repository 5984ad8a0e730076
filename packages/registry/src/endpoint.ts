import { type ErrorCode, isVarveError, VarveError } from "@varve/errors";
import { apiHost, isLoopback } from "./host.ts";
import { errorCode, isNoTls, networkFailure } from "./failure.ts";
import { TransientFailure } from "./retry.ts";
import type { Transport } from "./transport.ts";

/** How a registry is spoken to. */
export interface Endpoint {
  /** `https://host`, without a slash at its end. */
  readonly origin: string;
  /** Whether its certificate is checked. */
  readonly verify: boolean;
}

/**
 * Ways to speak to a registry, best first. Loopback: plain http, else https. Named as insecure: https without checking the certificate,
 * else plain http. All others: https.
 */
export function endpointCandidates(registry: string, insecureRegistries: readonly string[]): readonly Endpoint[] {
  const host = apiHost(registry);
  if (isNamedInsecure(insecureRegistries, registry) || isNamedInsecure(insecureRegistries, host)) {
    return [
      { origin: `https://${host}`, verify: false },
      { origin: `http://${host}`, verify: true },
    ];
  }
  const secure: Endpoint = { origin: `https://${host}`, verify: true };
  return isLoopback(host) ? [{ origin: `http://${host}`, verify: true }, secure] : [secure];
}

/** The first candidate that speaks; one alone is not asked. Throws the most telling of their failures. */
export async function findEndpoint(candidates: readonly Endpoint[], transport: Transport, signal: AbortSignal | undefined): Promise<Endpoint> {
  const [first, ...others] = candidates;
  if (first === undefined) throw new RangeError("a registry has at least one endpoint");
  if (others.length === 0) return first;
  const failures: Error[] = [];
  for (const candidate of candidates) {
    const failure = await ping(candidate, transport, signal);
    if (failure === undefined) return candidate;
    failures.push(failure);
  }
  throw mostTelling(failures);
}

async function ping(endpoint: Endpoint, transport: Transport, signal: AbortSignal | undefined): Promise<Error | undefined> {
  const url = new URL(`${endpoint.origin}/v2/`);
  try {
    const response = await transport.send({ method: "GET", url, headers: {}, signal }, { verify: endpoint.verify });
    await response.discard();
    // what Go's and nginx' TLS servers say to plain http
    const misplaced = url.protocol === "http:" && response.status === 400 && response.header("docker-distribution-api-version") === undefined;
    return misplaced ? new VarveError("REGISTRY_PROTOCOL", `${url.host} refuses plain http (HTTP 400)`) : undefined;
  } catch (error) {
    signal?.throwIfAborted();
    return networkFailure(error, { url, known: false });
  }
}

function mostTelling(failures: readonly Error[]): Error {
  const isOf = (failure: Error, code: ErrorCode): boolean => isVarveError(failure instanceof TransientFailure ? failure.final : failure, code);
  const isMute = (failure: Error): boolean => isNoTls(errorCode(failure.cause));
  const chosen =
    // it does speak TLS, but not to us
    failures.find((failure) => isOf(failure, "REGISTRY_TLS") && !isMute(failure)) ??
    // something else answers there
    failures.find((failure) => isOf(failure, "REGISTRY_PROTOCOL")) ??
    failures.find((failure) => !isMute(failure)) ??
    failures[0];
  return chosen ?? new RangeError("there was a failure");
}

/** Whether a host is among those that may be spoken to without checking who it is; `*` names all. */
export function isNamedInsecure(insecureRegistries: readonly string[], host: string): boolean {
  return insecureRegistries.includes(host) || insecureRegistries.includes("*");
}
