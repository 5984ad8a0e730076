import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { isIPv6 } from "node:net";
import { VarveError } from "@varve/errors";
import { answer, type Api } from "./api.ts";
import type { RegistryStore } from "./registry-store.ts";
import { createUploadSessions } from "./upload-sessions.ts";

/** What is served, and where. */
export interface ServeOptions {
  /** Where blobs, manifests and (under names of their own) tags are kept. Stays the caller's. */
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
}

/** Serves a store as a registry: the distribution spec's pull, push, content discovery and management. Throws REGISTRY_LISTEN. */
export async function serveRegistry(options: ServeOptions): Promise<RegistryServer> {
  const { store, host = "127.0.0.1", readOnly = false, signal } = options;
  signal?.throwIfAborted();
  const sessions = createUploadSessions(store);
  const api: Api = { store, sessions, readOnly };
  const server = createServer((request, response) => void answer(api, request, response));
  // an upload takes as long as it takes
  server.requestTimeout = 0;
  // longer than clients keep a connection, so that they don't send into one that is being closed
  server.keepAliveTimeout = 120_000;
  const port = await listen(server, host, options.port ?? 0);
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= closeServer(server).then(() => sessions[Symbol.asyncDispose]());
    return closing;
  };
  const onAbort = (): void => void close().catch(() => {});
  signal?.addEventListener("abort", onAbort, { once: true });
  return {
    port,
    url: `http://${isIPv6(host) ? `[${host}]` : host}:${port}`,
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
