import { VarveError } from "@varve/errors";
import { apiHost, isLoopback } from "./host.ts";
import { errorCode, isTlsProtocolError, networkFailure } from "./failure.ts";
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
  if (insecureRegistries.includes(registry) || insecureRegistries.includes(host)) {
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
  const inner = failures.map((failure) => (failure instanceof TransientFailure ? failure.final : failure));
  const isMisfit = (error: Error): boolean => error instanceof VarveError && (error.code === "REGISTRY_PROTOCOL" || isTlsProtocolError(errorCode(error)));
  const untrusted = inner.findIndex((error) => error instanceof VarveError && error.code === "REGISTRY_TLS" && !isMisfit(error));
  const real = untrusted >= 0 ? untrusted : inner.findIndex((error) => !isMisfit(error));
  const chosen = failures[Math.max(0, real)];
  return chosen ?? new RangeError("there was a failure");
}
