import { VarveError } from "@varve/errors";
import { hostName } from "./host.ts";
import type { HttpRequest, HttpResponse } from "./transport.ts";

/** hardening.md, "Limits". */
const REDIRECT_LIMIT = 10;

/** A request that can be sent again elsewhere. */
export interface FollowedRequest extends Omit<HttpRequest, "headers" | "body"> {
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Opened anew for every hop. */
  readonly body?: (() => Promise<NonNullable<HttpRequest["body"]>>) | undefined;
  /** Goes to the origin of `url` only. */
  readonly authorization?: string | undefined;
}

/**
 * Sends a request and follows its redirects: 307 and 308 for every method, 301, 302 and 303 for GET and HEAD. Credentials stay with the
 * first origin. Throws REGISTRY_UNSAFE_REDIRECT past ten hops and for what {@link resolveLocation} refuses.
 */
export async function followRedirects(request: FollowedRequest, send: (request: HttpRequest) => Promise<HttpResponse>): Promise<HttpResponse> {
  const { authorization, method, signal } = request;
  let { url } = request;
  for (let hops = 0; ; hops++) {
    const credentials = authorization !== undefined && url.origin === request.url.origin ? { authorization } : {};
    const body = await request.body?.();
    const response = await send({ method, url, headers: { ...request.headers, ...credentials }, body, signal });
    const location = response.header("location");
    if (location === undefined || !isFollowed(response.status, method)) return response;
    await response.discard();
    if (hops === REDIRECT_LIMIT) throw new VarveError("REGISTRY_UNSAFE_REDIRECT", `${request.url.host} redirects more than ${REDIRECT_LIMIT} times`);
    url = resolveLocation(location, url);
  }
}

function isFollowed(status: number, method: HttpRequest["method"]): boolean {
  if (status === 307 || status === 308) return true;
  return (status === 301 || status === 302 || status === 303) && (method === "GET" || method === "HEAD");
}

/**
 * Where a Location header points; relative ones are resolved, queries are kept. A registry behind a proxy that ends TLS may name itself
 * with http: that stays https. Throws REGISTRY_UNSAFE_REDIRECT for any other step from https to http, REGISTRY_PROTOCOL for what is no URL.
 */
export function resolveLocation(location: string, from: URL): URL {
  const url = parseHttpUrl(location, from);
  if (url === undefined) {
    throw new VarveError("REGISTRY_PROTOCOL", `${from.host} sent a Location that is no http URL`);
  }
  // credentials in a URL are nobody's business here
  url.username = "";
  url.password = "";
  url.hash = "";
  if (from.protocol === "https:" && url.protocol === "http:") {
    if (hostName(url.host) !== hostName(from.host) || url.port !== "") {
      throw new VarveError("REGISTRY_UNSAFE_REDIRECT", `${from.host} redirects from https to plain http at ${url.host}`, {
        hint: "the registry, or the proxy before it, is misconfigured",
      });
    }
    url.protocol = "https:";
    url.port = from.port;
  }
  return url;
}

/** An http or https URL, relative ones against `base`; `undefined` for anything else. */
export function parseHttpUrl(text: string, base?: URL): URL | undefined {
  if (!URL.canParse(text, base?.href)) return undefined;
  const url = new URL(text, base);
  return url.protocol === "http:" || url.protocol === "https:" ? url : undefined;
}
