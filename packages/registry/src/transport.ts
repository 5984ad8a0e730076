import { setMaxListeners } from "node:events";
import { type ByteStream, giveRoom } from "@varve/bytes";
import type * as UndiciModule from "./undici-module.ts";
import type * as ProxiedModule from "./proxied-dispatcher.ts";
import type { Dispatcher } from "undici";
import { isPrivateAddress, isPublicHost, publicLookup, requirePublicAddress } from "./address-guard.ts";
import { hostName } from "./host.ts";
import { type Environment, proxyFor } from "./proxy.ts";

/** Requests of one signal at once, before Node warns of a leak. Not 0, which is no limit: undici's fetch then refuses the signal on Node 20. */
const MAX_LISTENERS = 100_000;

/** Loaded when the first request needs them. */
interface Loaded {
  readonly undici: typeof UndiciModule;
  readonly proxied: typeof ProxiedModule | undefined;
}

/** One HTTP request; nothing is followed, retried or added but what undici must. */
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
  /** Rejects with undici's and Node's own errors. */
  send(request: HttpRequest, options?: SendOptions): Promise<HttpResponse>;
  /** Whether a URL's host has public addresses only; as far as is known where a proxy connects to it. */
  isPublic(url: URL): Promise<boolean>;
}

/** What is read of an unwanted body before its connection is given up, in bytes. */
const DISCARD_LIMIT = 64 * 1024;
/** Creates a {@link Transport} on undici, which is loaded by the first request. Proxies come from `env`; `NODE_EXTRA_CA_CERTS` is Node's own. */
export function createTransport(env: Environment, timeouts: Timeouts): Transport {
  return new UndiciTransport(env, timeouts);
}

class UndiciTransport implements Transport {
  readonly #env: Environment;
  readonly #timeouts: Timeouts;
  readonly #dispatchers = new Map<string, Dispatcher>();
  #disposed = false;

  constructor(env: Environment, timeouts: Timeouts) {
    this.#env = env;
    this.#timeouts = timeouts;
  }

  async send(request: HttpRequest, options: SendOptions = {}): Promise<HttpResponse> {
    // one signal serves a whole build: many requests listen to it at a time, and that is no leak
    if (request.signal !== undefined) setMaxListeners(MAX_LISTENERS, request.signal);
    const undici = await import("./undici-module.ts");
    const proxied = proxyFor(request.url, this.#env) === undefined ? undefined : await import("./proxied-dispatcher.ts");
    // the imports may have outlived the client
    if (this.#disposed) throw new Error("registry client used after it was disposed");
    const body = request.body === undefined || request.body instanceof Uint8Array ? request.body : sentPieces(request.body);
    try {
      const response = await undici.request(this.#dispatcher({ undici, proxied }, request.url, options), request.url, {
        method: request.method,
        headers: request.headers,
        body: body ?? null,
        signal: request.signal ?? null,
        headersTimeout: this.#timeouts.headers,
        bodyTimeout: this.#timeouts.body,
      });
      return httpResponse(request.url, response);
    } catch (error) {
      // undici leaves a body alone that it did not begin to read, and what it reads may come no more
      if (body !== undefined && !(body instanceof Uint8Array)) void body.return().catch(() => {});
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    const dispatchers = [...this.#dispatchers.values()];
    this.#dispatchers.clear();
    await Promise.all(dispatchers.map((dispatcher) => dispatcher.destroy()));
  }

  async isPublic(url: URL): Promise<boolean> {
    // behind a proxy names may mean something else than they do here
    if (proxyFor(url, this.#env) !== undefined) return !isPrivateAddress(hostName(url.host));
    return isPublicHost(url.host);
  }

  #dispatcher({ undici, proxied }: Loaded, url: URL, { verify = true, publicOnly = false }: SendOptions): Dispatcher {
    if (publicOnly) requirePublicAddress(url.host);
    const proxy = proxyFor(url, this.#env);
    const tunnel = url.protocol === "https:";
    const key = `${proxy?.href ?? ""} ${verify} ${publicOnly} ${tunnel}`;
    const known = this.#dispatchers.get(key);
    if (known !== undefined) return known;
    const timeout = this.#timeouts.connect;
    const trust = verify ? {} : { rejectUnauthorized: false };
    const dispatcher =
      proxy === undefined || proxied === undefined
        ? new undici.Agent({ connect: { timeout, ...trust, ...(publicOnly ? { lookup: publicLookup } : {}) } })
        : proxied.createProxiedDispatcher({ proxy, tunnel, timeout, trust });
    this.#dispatchers.set(key, dispatcher);
    return dispatcher;
  }
}

/**
 * The pieces of a body; their room is given back. undici asks for the next piece when its socket has drained or is closed, and a piece that is room fills a socket: by
 * then it is with the kernel, or encrypted.
 */
async function* sentPieces(body: ByteStream): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const piece of body) {
    yield piece;
    giveRoom(piece);
  }
}

function httpResponse(url: URL, response: Dispatcher.ResponseData): HttpResponse {
  const { statusCode, headers, body } = response;
  // a body that is destroyed early says so by an error event, which nobody may be waiting for
  body.on("error", () => {});
  return {
    status: statusCode,
    url,
    header: (name) => {
      const value = headers[name.toLowerCase()];
      return Array.isArray(value) ? value.join(", ") : value;
    },
    body,
    discard: async () => {
      try {
        await body.dump({ limit: DISCARD_LIMIT });
      } catch {
        body.destroy();
      }
    },
  };
}
