import { VarveError } from "@varve/errors";
import type { Credentials } from "./client.ts";
import type { FollowedRequest } from "./redirect.ts";
import { readBody } from "./response-body.ts";
import { isPassingStatus, responseError } from "./response-error.ts";
import type { HttpResponse } from "./transport.ts";

/** hardening.md, "Limits". */
const TOKEN_LIMIT = 1024 * 1024;
/** Seconds, when the server doesn't say (distribution spec, token authentication). */
const DEFAULT_LIFETIME = 60;
/** A token is given up before it ends, so that it doesn't end on the way. */
const USED_SHARE = 0.9;
const CLIENT_ID = "varve";

/** A Bearer token. */
export interface Token {
  readonly value: string;
  /** Milliseconds since the epoch after which it is not used any more. */
  readonly staleAt: number;
}

/** What a token is asked for with. */
export interface TokenRequest {
  /** The token server's URL, from the challenge. */
  readonly realm: URL;
  readonly service: string | undefined;
  readonly scopes: readonly string[];
  readonly credentials: Credentials | undefined;
  /** For messages. */
  readonly registry: string;
}

/**
 * Asks a token server for a token: GET with Basic (or no) credentials, or the OAuth2 POST for an identity token. Throws
 * REGISTRY_UNAUTHORIZED when they are refused, REGISTRY_PROTOCOL for an answer without a token, a TransientFailure where another try may help.
 */
export async function fetchToken(request: TokenRequest, send: (request: FollowedRequest) => Promise<HttpResponse>): Promise<Token> {
  const response = await send(request.credentials?.kind === "identity-token" ? refreshRequest(request, request.credentials.token) : plainRequest(request));
  const what = `token for ${request.registry}`;
  if (response.status !== 200) {
    const error = await responseError(response, what);
    if (isPassingStatus(response.status)) throw error;
    throw refused(request, response.status, error);
  }
  return parseToken(await readBody(response, { limit: TOKEN_LIMIT, what }), request);
}

function plainRequest({ realm, service, scopes, credentials }: TokenRequest): FollowedRequest {
  const url = new URL(realm);
  if (service !== undefined) url.searchParams.set("service", service);
  for (const scope of scopes) url.searchParams.append("scope", scope);
  if (credentials?.kind !== "basic") return { method: "GET", url };
  url.searchParams.set("account", credentials.username);
  return { method: "GET", url, authorization: basicAuthorization(credentials) };
}

function refreshRequest({ realm, service, scopes }: TokenRequest, token: string): FollowedRequest {
  const form = new URLSearchParams({ grant_type: "refresh_token", client_id: CLIENT_ID, refresh_token: token });
  if (service !== undefined) form.set("service", service);
  if (scopes.length > 0) form.set("scope", scopes.join(" "));
  const body = new TextEncoder().encode(form.toString());
  return { method: "POST", url: realm, headers: { "content-type": "application/x-www-form-urlencoded" }, body: async () => body };
}

/** The value of an Authorization header. */
export function basicAuthorization({ username, password }: { readonly username: string; readonly password: string }): string {
  return `Basic ${Buffer.from(`${username}:${password}`, "utf8").toString("base64")}`;
}

function refused(request: TokenRequest, status: number, error: Error): VarveError {
  const { registry, credentials } = request;
  const details = error instanceof VarveError ? error.details : [];
  const denied = status === 400 || status === 401 || status === 403;
  if (!denied) return new VarveError("REGISTRY_PROTOCOL", `${request.realm.host} gives no token for ${registry} (HTTP ${status})`, { cause: error, details });
  if (credentials === undefined) {
    return new VarveError("REGISTRY_UNAUTHORIZED", `${registry} wants credentials`, { hint: `log in: docker login ${registry}`, cause: error, details });
  }
  const hint = `check the user name and password: docker login ${registry}`;
  return new VarveError("REGISTRY_UNAUTHORIZED", `${registry} refused the credentials`, { hint, cause: error, details });
}

function parseToken(bytes: Uint8Array, { realm }: TokenRequest): Token {
  let body: unknown;
  try {
    body = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new VarveError("REGISTRY_PROTOCOL", `the token from ${realm.host} is not JSON`, { cause });
  }
  const value = textOf(body, "token") ?? textOf(body, "access_token");
  // it becomes a header's value
  if (value === undefined || !/^[\x21-\x7e]+$/.test(value)) throw new VarveError("REGISTRY_PROTOCOL", `${realm.host} sent no usable token`);
  const seconds = typeof body === "object" && body !== null && "expires_in" in body ? Number(body.expires_in) : DEFAULT_LIFETIME;
  const lifetime = Number.isFinite(seconds) && seconds > 0 ? seconds : DEFAULT_LIFETIME;
  // issued_at is by the server's clock; counting from the arrival needs none
  return { value, staleAt: Date.now() + lifetime * 1000 * USED_SHARE };
}

function textOf(body: unknown, key: string): string | undefined {
  if (typeof body !== "object" || body === null) return undefined;
  const value: unknown = Reflect.get(body, key);
  return typeof value === "string" && value !== "" ? value : undefined;
}
