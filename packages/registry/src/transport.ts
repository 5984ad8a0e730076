import { setMaxListeners } from "node:events";
import type { Agent } from "node:http";
import type { ByteStream } from "@varve/bytes";
import { isPrivateAddress, isPublicHost, publicLookup, requirePublicAddress } from "./address-guard.ts";
import { createAgent } from "./connection.ts";
import { exchange } from "./exchange.ts";
import { hostName } from "./host.ts";
import { type Environment, proxyFor } from "./proxy.ts";
import { proxyAuthorization } from "./proxy-tunnel.ts";

/** Requests of one signal at once, before Node warns of a leak. Not 0, which is no limit: `fetch` then refuses the signal on Node 20. */
const MAX_LISTENERS = 100_000;

/** One HTTP request; nothing is followed, retried or added but what HTTP must have. */
export interface HttpRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | ByteStream | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Its answer. The body must be read to its end or discarded. */
export interface HttpResponse {
  readonly status: number;
  /** Of the request that was answered. */
  readonly url: URL;
  /** Several fields of one name are joined by `, `. */
  header(name: string): string | undefined;
  readonly body: ByteStream;
  /** Frees the connection; what little is left is read, so that it can be used again. */
  discard(): Promise<void>;
}

/** How a request is sent. */
export interface SendOptions {
  /** `false` accepts any certificate. */
  readonly verify?: boolean | undefined;
  /** Refuses to connect to private addresses, with REGISTRY_UNSAFE_REDIRECT. */
  readonly publicOnly?: boolean | undefined;
}

/** Milliseconds. */
export interface Timeouts {
  readonly connect: number;
  /** From the end of a request to its answer; storage backends can take minutes to complete a blob. */
  readonly headers: number;
  /** Between two pieces of a body. */
  readonly body: number;
}

/** What varve waits unless told otherwise. */
export const DEFAULT_TIMEOUTS: Timeouts = { connect: 30_000, headers: 300_000, body: 60_000 };

/** Sends requests over kept connections. */
export interface Transport extends AsyncDisposable {
  /** Rejects with Node's own errors. */
  send(request: HttpRequest, options?: SendOptions): Promise<HttpResponse>;
  /** Whether a URL's host has public addresses only; as far as is known where a proxy connects to it. */
  isPublic(url: URL): Promise<boolean>;
}

/**
 * Creates a {@link Transport} on Node's own client: its parser is native, where undici's is WebAssembly, whose compilation took a third of a build in which
 * nothing changed. Proxies come from `env`; `NODE_EXTRA_CA_CERTS` is Node's own.
 */
export function createTransport(env: Environment, timeouts: Timeouts): Transport {
  return new NodeTransport(env, timeouts);
}

class NodeTransport implements Transport {
  readonly #env: Environment;
  readonly #timeouts: Timeouts;
  readonly #agents = new Map<string, Promise<Agent>>();
  #disposed = false;

  constructor(env: Environment, timeouts: Timeouts) {
    this.#env = env;
    this.#timeouts = timeouts;
  }

  async send(request: HttpRequest, options: SendOptions = {}): Promise<HttpResponse> {
    const { url, signal } = request;
    // one signal serves a whole build: many requests listen to it at a time, and that is no leak
    if (signal !== undefined) setMaxListeners(MAX_LISTENERS, signal);
    const proxy = proxyFor(url, this.#env);
    const agent = await this.#agent(url, proxy, options);
    // making the agent may have outlived the client
    if (this.#disposed) throw new Error("registry client used after it was disposed");
    const connection = { agent, isOpen: () => !this.#disposed };
    if (proxy === undefined || url.protocol === "https:")
      return exchange(request, { at: url, path: `${url.pathname}${url.search}`, ...connection }, this.#timeouts);
    const headers = { ...request.headers, host: url.host, ...proxyAuthorization(proxy) };
    return exchange({ ...request, headers }, { at: proxy, path: url.href, ...connection }, this.#timeouts);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    const agents = [...this.#agents.values()];
    this.#agents.clear();
    for (const agent of await Promise.allSettled(agents)) if (agent.status === "fulfilled") agent.value.destroy();
  }

  async isPublic(url: URL): Promise<boolean> {
    // behind a proxy names may mean something else than they do here
    if (proxyFor(url, this.#env) !== undefined) return !isPrivateAddress(hostName(url.host));
    return isPublicHost(url.host);
  }

  #agent(url: URL, proxy: URL | undefined, { verify = true, publicOnly = false }: SendOptions): Promise<Agent> {
    if (publicOnly) requirePublicAddress(url.host);
    const secure = (proxy === undefined ? url : url.protocol === "https:" ? url : proxy).protocol === "https:";
    const tunnel = url.protocol === "https:" ? proxy : undefined;
    const key = `${proxy?.href ?? ""} ${verify} ${publicOnly} ${secure} ${url.protocol}`;
    const lookup = publicOnly && proxy === undefined ? publicLookup : undefined;
    const agent = this.#agents.get(key) ?? createAgent({ secure, verify, lookup, tunnel, timeout: this.#timeouts.connect });
    this.#agents.set(key, agent);
    return agent;
  }
}
