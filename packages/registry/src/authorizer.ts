import { VarveError } from "@varve/errors";
import type { Challenge } from "./challenge.ts";
import type { Credentials, CredentialSource } from "./client.ts";
import { basicAuthorization, type Token, type TokenRequest } from "./token.ts";

/** What an {@link Authorizer} works with. */
export interface AuthorizerOptions {
  /** As in references; for messages and the lookup of credentials. */
  readonly registry: string;
  readonly credentials: CredentialSource | undefined;
  readonly onSecret: ((secret: string) => void) | undefined;
  /** Retries what is worth retrying. Not bound to one caller's signal: several wait for one token. */
  readonly fetchToken: (request: TokenRequest) => Promise<Token>;
  /** Checks a token server's URL against the registry's; throws when it is not safe. */
  readonly checkRealm: (realm: string) => URL;
}

/** A 401 that is to be answered. */
export interface Refusal {
  readonly challenges: readonly Challenge[];
  /** The Authorization that was refused. */
  readonly sent: string | undefined;
  readonly scopes: readonly string[];
  /** {@link Authorizer.clock} when the exchange began. */
  readonly since: number;
  readonly signal: AbortSignal | undefined;
}

interface Bearer {
  readonly kind: "bearer";
  readonly realm: URL;
  readonly service: string | undefined;
}

interface Issued extends Token {
  readonly at: number;
}

/** Answers one registry's challenges; keeps a token per set of scopes and renews it when it ends or is refused. */
export class Authorizer {
  readonly #options: AuthorizerOptions;
  readonly #tokens = new Map<string, Promise<Issued>>();
  /** Scopes a challenge asked for beyond those of the request, by the request's. */
  readonly #extra = new Map<string, readonly string[]>();
  #scheme: Bearer | { readonly kind: "fixed"; readonly authorization: string } | undefined;
  #credentials: Promise<Credentials | undefined> | undefined;
  #clock = 0;

  constructor(options: AuthorizerOptions) {
    this.#options = options;
  }

  /** Counts tokens: one issued after an exchange began is not worth renewing in it. */
  get clock(): number {
    return this.#clock;
  }

  /** The Authorization for a request, as far as the registry's scheme is known. */
  async authorization(scopes: readonly string[], signal: AbortSignal | undefined): Promise<string | undefined> {
    if (this.#scheme?.kind === "fixed") return this.#scheme.authorization;
    return this.#scheme === undefined ? undefined : bearer(await this.#token(this.#scheme, scopes, signal));
  }

  /** Another Authorization than the refused one; `undefined` when there is none better. Throws REGISTRY_UNAUTHORIZED when credentials are wanted and missing. */
  async answer(refusal: Refusal): Promise<string | undefined> {
    const credentials = await abortable(this.#loadCredentials(), refusal.signal);
    if (credentials?.kind === "bearer") return this.#fixed(`Bearer ${credentials.token}`, refusal);
    const challenge = refusal.challenges.find((each) => each.scheme === "bearer" && each.parameters.has("realm"));
    if (challenge !== undefined) return this.#answerBearer(challenge, refusal);
    if (!refusal.challenges.some((each) => each.scheme === "basic")) throw this.#noScheme(refusal.challenges);
    if (credentials?.kind === "basic") return this.#fixed(basicAuthorization(credentials), refusal);
    throw this.#wanted(credentials === undefined ? undefined : "an identity token is of no use with Basic authentication");
  }

  /** Whether there are credentials for the registry; for messages. */
  async hasCredentials(): Promise<boolean> {
    return (await this.#loadCredentials()) !== undefined;
  }

  #fixed(authorization: string, refusal: Refusal): string | undefined {
    if (refusal.sent === authorization) return undefined;
    this.#scheme = { kind: "fixed", authorization };
    return authorization;
  }

  async #answerBearer(challenge: Challenge, refusal: Refusal): Promise<string | undefined> {
    const { scopes, sent, since, signal } = refusal;
    const realm = this.#options.checkRealm(challenge.parameters.get("realm") ?? "");
    const scheme: Bearer = { kind: "bearer", realm, service: challenge.parameters.get("service") };
    this.#scheme = scheme;
    const asked = (challenge.parameters.get("scope") ?? "").split(" ").filter((scope) => scope !== "");
    const before = this.#allScopes(scopes);
    const extra = asked.filter((scope) => !before.some((own) => covers(own, scope)));
    if (extra.length > 0) this.#extra.set(keyOf(scopes), [...before.slice(scopes.length), ...extra]);
    const key = keyOf(this.#allScopes(scopes));
    const pending = this.#tokens.get(key)?.catch(() => undefined);
    const known = pending === undefined ? undefined : await abortable(pending, signal);
    if (known !== undefined && bearer(known) === sent) {
      if (known.at > since) return undefined;
      this.#tokens.delete(key);
    }
    return bearer(await this.#token(scheme, scopes, signal));
  }

  async #token(scheme: Bearer, scopes: readonly string[], signal: AbortSignal | undefined): Promise<Issued> {
    const all = this.#allScopes(scopes);
    const key = keyOf(all);
    const known = this.#tokens.get(key);
    if (known !== undefined) {
      const token = await abortable(known, signal);
      if (token.staleAt > Date.now()) return token;
      // another request may have renewed it meanwhile
      if (this.#tokens.get(key) === known) this.#tokens.delete(key);
    }
    let pending = this.#tokens.get(key);
    if (pending === undefined) {
      pending = this.#issue(scheme, all);
      this.#tokens.set(key, pending);
      pending.catch(() => this.#tokens.delete(key));
    }
    return abortable(pending, signal);
  }

  async #issue(scheme: Bearer, scopes: readonly string[]): Promise<Issued> {
    const credentials = await this.#loadCredentials();
    const token = await this.#options.fetchToken({ realm: scheme.realm, service: scheme.service, scopes, credentials, registry: this.#options.registry });
    this.#options.onSecret?.(token.value);
    return { ...token, at: ++this.#clock };
  }

  #allScopes(scopes: readonly string[]): readonly string[] {
    return [...scopes, ...(this.#extra.get(keyOf(scopes)) ?? [])];
  }

  #loadCredentials(): Promise<Credentials | undefined> {
    if (this.#credentials === undefined) {
      const loading = this.#lookUp();
      this.#credentials = loading;
      // a locked keychain may be open next time
      loading.catch(() => (this.#credentials = undefined));
    }
    return this.#credentials;
  }

  async #lookUp(): Promise<Credentials | undefined> {
    const { credentials: source, registry, onSecret } = this.#options;
    const found = await source?.(registry);
    if (found?.kind === "basic") {
      onSecret?.(found.password);
      onSecret?.(basicAuthorization(found).slice("Basic ".length));
    } else if (found !== undefined) onSecret?.(found.token);
    return found;
  }

  #wanted(why?: string): VarveError {
    const { registry } = this.#options;
    return new VarveError("REGISTRY_UNAUTHORIZED", `${registry} wants credentials`, {
      hint: `log in: docker login ${registry}`,
      details: why === undefined ? [] : [why],
    });
  }

  #noScheme(challenges: readonly Challenge[]): VarveError {
    const { registry } = this.#options;
    const schemes = [...new Set(challenges.map((challenge) => challenge.scheme))].join(", ");
    const wants = schemes === "" ? "credentials but does not say how to send them" : `authentication by ${schemes}`;
    return new VarveError("REGISTRY_UNAUTHORIZED", `${registry} wants ${wants}`, { hint: "varve knows Basic and Bearer" });
  }
}

function bearer(token: Token): string {
  return `Bearer ${token.value}`;
}

function keyOf(scopes: readonly string[]): string {
  return [...new Set(scopes)].toSorted().join(" ");
}

/** Whether a token for `own` allows what `asked` names: `repository:a/b:pull,push` covers `repository:a/b:pull`. */
function covers(own: string, asked: string): boolean {
  const [ownName, ownActions] = splitScope(own);
  const [askedName, askedActions] = splitScope(asked);
  return ownName === askedName && askedActions.every((action) => ownActions.includes(action));
}

function splitScope(scope: string): readonly [string, readonly string[]] {
  const colon = scope.lastIndexOf(":");
  return [scope.slice(0, colon), scope.slice(colon + 1).split(",")];
}

/** What is shared goes on; only this caller stops waiting. */
async function abortable<T>(shared: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return shared;
  signal.throwIfAborted();
  let stop = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason instanceof Error ? signal.reason : new Error("aborted", { cause: signal.reason }));
    signal.addEventListener("abort", stop, { once: true });
  });
  try {
    return await Promise.race([shared, aborted]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
