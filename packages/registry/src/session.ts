import { VarveError } from "@varve/errors";
import { Authorizer, type Refusal } from "./authorizer.ts";
import { parseChallenges } from "./challenge.ts";
import type { CredentialSource } from "./client.ts";
import { type Endpoint, endpointCandidates, isNamedInsecure, findEndpoint } from "./endpoint.ts";
import { networkFailure } from "./failure.ts";
import { isLoopback } from "./host.ts";
import { type FollowedRequest, followRedirects, parseHttpUrl } from "./redirect.ts";
import { isPassingStatus, responseError } from "./response-error.ts";
import { type RetryPolicy, withRetries } from "./retry.ts";
import { fetchToken } from "./token.ts";
import type { HttpRequest, HttpResponse, Transport } from "./transport.ts";

/** A request of the distribution API. */
export interface ApiRequest {
  readonly method: HttpRequest["method"];
  /** `/v2/…` with its query, or a URL the registry gave. */
  readonly target: string | URL;
  /** Token scopes it needs, e.g. `repository:library/app:pull`. */
  readonly scopes: readonly string[];
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Opened anew for every time the request is sent. */
  readonly body?: FollowedRequest["body"];
  readonly signal?: AbortSignal | undefined;
  /** The operand, for messages: `manifest latest of host/app`. */
  readonly what: string;
}

/** What a session is made of. */
export interface SessionOptions {
  readonly registry: string;
  readonly transport: Transport;
  readonly retry: RetryPolicy;
  readonly insecureRegistries: readonly string[];
  readonly credentials: CredentialSource | undefined;
  readonly onSecret: ((secret: string) => void) | undefined;
  readonly userAgent: string;
}

/** The conversation with one registry: where it is, who we are, redirects, retries. */
export class RegistrySession {
  readonly registry: string;
  readonly retry: RetryPolicy;
  readonly #options: SessionOptions;
  readonly #authorizer: Authorizer;
  /** Origins that have answered. */
  readonly #known = new Set<string>();
  #endpoint: Endpoint | undefined;
  #isPublic: Promise<boolean> | undefined;

  constructor(options: SessionOptions) {
    this.registry = options.registry;
    this.retry = options.retry;
    this.#options = options;
    const { registry, credentials, onSecret } = options;
    this.#authorizer = new Authorizer({
      registry,
      credentials,
      onSecret,
      fetchToken: (request) => withRetries(this.retry, () => fetchToken(request, (token) => followRedirects(token, (hop) => this.#transmit(hop)))),
      checkRealm: (realm) => this.#checkRealm(realm),
    });
  }

  /** {@link exchange} with retries: resolves to an answer that another try would not change. Not for bodies that resume. */
  async send(request: ApiRequest): Promise<HttpResponse> {
    return withRetries(this.retry, () => this.exchange(request), request.signal);
  }

  /**
   * Sends a request once, as far as its sender is concerned: redirects are followed and a challenge is answered (a refused token renewed
   * once). Rejects with a TransientFailure where another try may help.
   */
  async exchange(request: ApiRequest): Promise<HttpResponse> {
    const { scopes, signal, method, headers, body, what } = request;
    signal?.throwIfAborted();
    const endpoint = await this.#findEndpoint(signal);
    const url = new URL(request.target, endpoint.origin);
    const mayAuthorize = url.origin === endpoint.origin;
    const since = this.#authorizer.clock;
    let authorization = mayAuthorize ? await this.#authorizer.authorization(scopes, signal) : undefined;
    for (;;) {
      const response = await followRedirects({ method, url, headers, body, signal, authorization }, (hop) => this.#transmit(hop));
      if (isPassingStatus(response.status)) throw await responseError(response, what);
      if (response.status !== 401 || !mayAuthorize || response.url.origin !== endpoint.origin) return response;
      const challenges = parseChallenges(response.header("www-authenticate") ?? "");
      const next = await this.#answer(response, { challenges, sent: authorization, scopes, since, signal });
      if (next === undefined) throw await this.#refused(response, what);
      await response.discard();
      authorization = next;
    }
  }

  async #answer(response: HttpResponse, refusal: Refusal): Promise<string | undefined> {
    try {
      return await this.#authorizer.answer(refusal);
    } catch (error) {
      await response.discard();
      throw error;
    }
  }

  async #refused(response: HttpResponse, what: string): Promise<Error> {
    const error = await responseError(response, what);
    const { registry } = this;
    const details = error instanceof VarveError ? error.details : [];
    if (await this.#authorizer.hasCredentials()) {
      const hint = `check the password (docker login ${registry}), the name, and what the account may do`;
      return new VarveError("REGISTRY_UNAUTHORIZED", `${what}: ${registry} refused the credentials`, { hint, details, cause: error });
    }
    const hint = `check the name; if it is right, log in: docker login ${registry}`;
    return new VarveError("REGISTRY_UNAUTHORIZED", `${what}: ${registry} allows it to accounts only, or has no such repository`, {
      hint,
      details,
      cause: error,
    });
  }

  async #transmit(request: HttpRequest): Promise<HttpResponse> {
    const { transport, userAgent } = this.#options;
    const { url, signal } = request;
    try {
      const headers = { "user-agent": userAgent, "accept-encoding": "identity", ...request.headers };
      const response = await transport.send({ ...request, headers }, { verify: !this.#isUnverified(url), publicOnly: await this.#isSteered(url) });
      this.#known.add(url.origin);
      return response;
    } catch (error) {
      signal?.throwIfAborted();
      // a request's own body may have failed, which is not the registry's fault
      if (error instanceof VarveError) throw error;
      throw networkFailure(error, { url, known: this.#known.has(url.origin) });
    }
  }

  async #findEndpoint(signal: AbortSignal | undefined): Promise<Endpoint> {
    if (this.#endpoint !== undefined) return this.#endpoint;
    const { transport, insecureRegistries } = this.#options;
    this.#endpoint = await findEndpoint(endpointCandidates(this.registry, insecureRegistries), transport, signal);
    return this.#endpoint;
  }

  /** Whether a registry on a public address sends us elsewhere: then not to private ones (hardening.md, rule 5). */
  async #isSteered(url: URL): Promise<boolean> {
    if (this.#endpoint === undefined || isNamedInsecure(this.#options.insecureRegistries, url.host)) return false;
    const own = new URL(this.#endpoint.origin);
    if (url.hostname === own.hostname) return false;
    this.#isPublic ??= this.#options.transport.isPublic(own);
    return this.#isPublic;
  }

  #isUnverified(url: URL): boolean {
    if (this.#endpoint !== undefined && url.origin === this.#endpoint.origin) return !this.#endpoint.verify;
    return isNamedInsecure(this.#options.insecureRegistries, url.host);
  }

  /** A token server gets the password: it must be reached as safely as the registry itself. */
  #checkRealm(realm: string): URL {
    const origin = this.#endpoint?.origin ?? "";
    const url = parseHttpUrl(realm);
    if (url === undefined) throw new VarveError("REGISTRY_PROTOCOL", `${this.registry} names a token server by something that is no http URL`);
    const local = isLoopback(url.host) && isLoopback(this.registry);
    if (url.protocol === "http:" && url.origin !== origin && !local && !isNamedInsecure(this.#options.insecureRegistries, url.host)) {
      const hint = `if that is meant, add --insecure-registry ${url.host}`;
      throw new VarveError("REGISTRY_UNSAFE_REDIRECT", `${this.registry} wants credentials sent over plain http to ${url.host}`, { hint });
    }
    return url;
  }
}
