import type { IncomingMessage, ServerResponse } from "node:http";
import { ApiError, toApiError } from "./api-error.ts";
import { serveBlob } from "./blob-routes.ts";
import { type Exchange, replyError, replyJson } from "./exchange.ts";
import { listRepositories, listTags } from "./list-routes.ts";
import { removeManifest, serveManifest, storeManifest } from "./manifest-routes.ts";
import { listReferrers } from "./referrer-routes.ts";
import type { PushLease } from "./push-lease.ts";
import type { RegistryStore } from "./registry-store.ts";
import { parseRoute, type Route } from "./route.ts";
import { beginUpload, continueUpload } from "./upload-routes.ts";
import type { ServedImages } from "./served-images.ts";
import type { UploadSessions } from "./upload-sessions.ts";

/** What requests are answered from. */
export interface Api {
  readonly store: RegistryStore;
  readonly images: ServedImages;
  readonly sessions: UploadSessions;
  readonly readOnly: boolean;
  /** Held while somebody pushes. */
  readonly lease: PushLease;
}

/** Answers one request of the distribution API. Never rejects: what goes wrong is the answer. */
export async function answer(api: Api, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  try {
    response.setHeader("docker-distribution-api-version", "registry/2.0");
    response.setHeader("x-content-type-options", "nosniff");
    refuseBrowsers(request);
    const target = request.url ?? "/";
    if (!URL.canParse(target, "http://localhost")) throw new ApiError("UNSUPPORTED", "the request's target is no path", { status: 400 });
    const url = new URL(target, "http://localhost");
    const route = parseRoute(url.pathname);
    if (route === undefined) throw new ApiError("UNSUPPORTED", "no such thing in the distribution API", { status: 404 });
    await dispatch(api, route, { request, response, query: url.searchParams, store: api.store, images: api.images, signal: gone.signal });
  } catch (error) {
    replyError({ request, response }, toApiError(error));
  }
}

/** A web page must not push to, or read from, a registry on its visitor's machine. No registry client sends these headers. */
function refuseBrowsers({ headers }: IncomingMessage): void {
  const site = headers["sec-fetch-site"];
  if (headers.origin !== undefined || (site !== undefined && site !== "none")) throw new ApiError("DENIED", "web pages are not served");
}

async function dispatch(api: Api, route: Route, exchange: Exchange): Promise<void> {
  const method = exchange.request.method ?? "GET";
  const isRead = method === "GET" || method === "HEAD";
  const isUpload = route.kind === "upload" || route.kind === "uploads";
  // a HEAD of a blob asks whether it must be uploaded
  if (!api.readOnly && (isUpload || method === "PUT" || (method === "HEAD" && route.kind === "blob"))) await api.lease.touch();
  if (api.readOnly && (!isRead || isUpload)) throw new ApiError("UNSUPPORTED", "this registry is read-only");
  const allow = (...methods: readonly string[]): void => {
    if (!methods.includes(method)) throw new ApiError("UNSUPPORTED", `${method} is not supported here`, { headers: { allow: methods.join(", ") } });
  };
  switch (route.kind) {
    case "base":
      allow("GET", "HEAD");
      return replyJson(exchange, {});
    case "catalog":
      allow("GET", "HEAD");
      return listRepositories(exchange);
    case "tags":
      allow("GET", "HEAD");
      return listTags(exchange, route.repository);
    case "referrers":
      allow("GET", "HEAD");
      return listReferrers(exchange, route.repository, route.digest);
    case "blob":
      allow("GET", "HEAD");
      return serveBlob(exchange, route.digest);
    case "uploads":
      allow("POST");
      return beginUpload(exchange, api.sessions, route.repository);
    case "upload":
      allow("GET", "PATCH", "PUT", "DELETE");
      return continueUpload(exchange, api.sessions, route);
    case "manifest":
      allow("GET", "HEAD", "PUT", "DELETE");
      if (isRead) return serveManifest(exchange, route);
      return method === "PUT" ? storeManifest(exchange, route) : removeManifest(exchange, route);
  }
}
