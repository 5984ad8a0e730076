import { Readable } from "node:stream";
import type { ByteStream } from "@varve/bytes";
import type * as UndiciModule from "undici";
import type { Dispatcher } from "undici";
import { type Environment, proxyFor } from "./proxy.ts";

type Undici = Pick<typeof UndiciModule, "Agent" | "ProxyAgent">;

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

/** Sends requests over kept connections. */
export interface Transport extends AsyncDisposable {
  /** `verify: false` accepts any certificate. Rejects with undici's and Node's own errors. */
  send(request: HttpRequest, options?: { readonly verify?: boolean }): Promise<HttpResponse>;
}

/** What is read of an unwanted body before its connection is given up, in bytes. */
const DISCARD_LIMIT = 64 * 1024;
const CONNECT_TIMEOUT = 30_000;
/** Between two pieces of a body. */
const BODY_TIMEOUT = 60_000;
/** Storage backends can take minutes to complete a blob. */
const HEADERS_TIMEOUT = 300_000;

/** Creates a {@link Transport} on undici, which is loaded by the first request. Proxies come from `env`; `NODE_EXTRA_CA_CERTS` is Node's own. */
export function createTransport(env: Environment): Transport {
  return new UndiciTransport(env);
}

class UndiciTransport implements Transport {
  readonly #env: Environment;
  readonly #dispatchers = new Map<string, Dispatcher>();
  #disposed = false;

  constructor(env: Environment) {
    this.#env = env;
  }

  async send(request: HttpRequest, options?: { readonly verify?: boolean }): Promise<HttpResponse> {
    const undici = await import("undici");
    // the import may have outlived the client
    if (this.#disposed) throw new Error("registry client used after it was disposed");
    const body =
      request.body === undefined || request.body instanceof Uint8Array
        ? request.body
        : Readable.from(request.body, { objectMode: false, highWaterMark: 1024 * 1024 });
    try {
      const response = await undici.request(request.url, {
        dispatcher: this.#dispatcher(undici, request.url, options?.verify ?? true),
        method: request.method,
        headers: request.headers,
        body: body ?? null,
        signal: request.signal ?? null,
        headersTimeout: HEADERS_TIMEOUT,
        bodyTimeout: BODY_TIMEOUT,
      });
      return httpResponse(request.url, response);
    } catch (error) {
      // undici leaves a body alone that it did not begin to read
      if (body instanceof Readable && !body.destroyed) body.once("error", () => {}).destroy();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    const dispatchers = [...this.#dispatchers.values()];
    this.#dispatchers.clear();
    await Promise.all(dispatchers.map((dispatcher) => dispatcher.destroy()));
  }

  #dispatcher(undici: Undici, url: URL, verify: boolean): Dispatcher {
    const proxy = proxyFor(url, this.#env);
    const tunnel = url.protocol === "https:";
    const key = `${proxy?.href ?? ""} ${verify} ${tunnel}`;
    const known = this.#dispatchers.get(key);
    if (known !== undefined) return known;
    const connect = { timeout: CONNECT_TIMEOUT, ...(verify ? {} : { rejectUnauthorized: false }) };
    const dispatcher =
      proxy === undefined
        ? new undici.Agent({ connect })
        : new undici.ProxyAgent({ uri: proxy.href, requestTls: connect, connect: { timeout: CONNECT_TIMEOUT }, proxyTunnel: tunnel });
    this.#dispatchers.set(key, dispatcher);
    return dispatcher;
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
