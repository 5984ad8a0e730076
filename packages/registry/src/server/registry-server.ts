import { once } from "node:events";
import type { Server } from "node:http";
import { isIPv6 } from "node:net";
import { VarveError } from "@varve/errors";
import { answer, type Api } from "./api.ts";
import type { RegistryStore } from "./registry-store.ts";
import { createServedImages } from "./served-images.ts";
import { createPushLease } from "./push-lease.ts";
import { createUploadSessions } from "./upload-sessions.ts";

/** What is served, and where. */
export interface ServeOptions {
  /** What is served, and where pushes go. Stays the caller's. */
  readonly store: RegistryStore;
  /** Default: 127.0.0.1. There is no authentication: any other address serves whoever reaches it. */
  readonly host?: string | undefined;
  /** 0, the default, takes a free one. */
  readonly port?: number | undefined;
  /** Refuses every push and deletion. */
  readonly readOnly?: boolean | undefined;
  /** Closes the server when aborted. */
  readonly signal?: AbortSignal | undefined;
}

/** A registry that is being served. Disposing it cuts connections and gives unfinished uploads up. */
export interface RegistryServer extends AsyncDisposable {
  readonly port: number;
  /** `http://127.0.0.1:5000` */
  readonly url: string;
  /** What pushed images are called by: `127.0.0.1:5000` is the host of their names in the store. */
  readonly name: string;
}

/** Serves a store as a registry: the distribution spec's pull, push, content discovery and management. Throws REGISTRY_LISTEN. */
export async function serveRegistry(options: ServeOptions): Promise<RegistryServer> {
  const { store, host = "127.0.0.1", readOnly = false, signal } = options;
  signal?.throwIfAborted();
  const sessions = createUploadSessions(store);
  const lease = createPushLease(store);
  const { createServer } = await import("node:http");
  const server = createServer();
  // an upload takes as long as it takes
  server.requestTimeout = 0;
  // longer than clients keep a connection, so that they don't send into one that is being closed
  server.keepAliveTimeout = 120_000;
  const port = await listen(server, host, options.port ?? 0);
  const bracketed = isIPv6(host) ? `[${host}]` : host;
  const own = `${host === "0.0.0.0" || host === "::" ? "127.0.0.1" : bracketed}:${port}`;
  const api: Api = { store, sessions, readOnly, images: createServedImages(store, own), lease };
  server.on("request", (request, response) => void answer(api, request, response));
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= closeServer(server)
      .then(() => sessions[Symbol.asyncDispose]())
      .then(() => lease[Symbol.asyncDispose]());
    return closing;
  };
  const onAbort = (): void => void close().catch(() => {});
  signal?.addEventListener("abort", onAbort, { once: true });
  return {
    port,
    url: `http://${bracketed}:${port}`,
    name: own,
    async [Symbol.asyncDispose]() {
      signal?.removeEventListener("abort", onAbort);
      await close();
    },
  };
}

async function listen(server: Server, host: string, port: number): Promise<number> {
  server.listen(port, host);
  try {
    await once(server, "listening");
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? cause.code : "";
    const why = code === "EADDRINUSE" ? "the port is taken" : code === "EACCES" ? "the port needs privilege" : "the address is not this machine's";
    throw new VarveError("REGISTRY_LISTEN", `cannot serve at ${host}:${port}: ${why}`, {
      hint: "choose another with --port, or --port 0 for a free one",
      cause,
    });
  }
  const address = server.address();
  if (address === null || typeof address === "string") throw new TypeError("a listening server has a port");
  return address.port;
}

async function closeServer(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeAllConnections();
  await closed;
}
