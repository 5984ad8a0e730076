import type { ByteStream } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import type { IOOptions } from "@varve/oci";

/** What a server answered after its redirects. */
export interface HttpAnswer {
  readonly status: number;
  readonly statusText: string;
  header(name: string): string | undefined;
  /** To be read to its end or left with `discard`. */
  readonly body: ByteStream;
  discard(): Promise<void>;
}

/** A client that can be asked until it is disposed. Proxies are those the environment names. */
export interface HttpGetter extends AsyncDisposable {
  /** Any port, unlike `fetch`. Throws CONTEXT_DOWNLOAD_FAILED past ten redirects and for one that leads to what is no web address. */
  get(url: string, headers: Readonly<Record<string, string>>, options: IOOptions): Promise<HttpAnswer>;
}

/** hardening.md, "Limits". */
const REDIRECT_LIMIT = 10;

/** Creates the client. A user and password in a URL are sent to its own origin only. */
export async function createHttpGetter(): Promise<HttpGetter> {
  // loaded when needed only: most builds download nothing
  const { EnvHttpProxyAgent, request } = await import("./http-client.ts");
  const dispatcher = new EnvHttpProxyAgent();
  const send = async (url: URL, headers: Readonly<Record<string, string>>, options: IOOptions): Promise<HttpAnswer> => {
    const signal = options.signal === undefined ? {} : { signal: options.signal };
    const { statusCode, statusText, headers: answered, body } = await request(dispatcher, url, { headers: { ...headers }, ...signal });
    return {
      status: statusCode,
      statusText,
      header: (name) => [answered[name]].flat()[0],
      body,
      // a body that isn't wanted may be long: its connection is given up rather than read to its end
      discard: () => body.dump({ limit: 64 * 1024 }),
    };
  };
  return {
    async get(text, headers, options) {
      const first = new URL(text);
      const credentials = authorization(first);
      let url = withoutUser(first);
      for (let hops = 0; ; hops++) {
        const answer = await send(url, url.origin === first.origin ? { ...headers, ...credentials } : headers, options);
        const location = answer.header("location");
        if (location === undefined || ![301, 302, 303, 307, 308].includes(answer.status)) return answer;
        await answer.discard();
        if (hops === REDIRECT_LIMIT) throw failed(`${first.host} redirects more than ${REDIRECT_LIMIT} times`);
        url = target(location, url);
      }
    },
    [Symbol.asyncDispose]: () => dispatcher.close(),
  };
}

function target(location: string, from: URL): URL {
  const url = URL.canParse(location, from.href) ? new URL(location, from) : undefined;
  if (url === undefined || (url.protocol !== "http:" && url.protocol !== "https:"))
    throw failed(`${from.host} redirects to ${JSON.stringify(location)}, which is no web address`);
  return withoutUser(url);
}

function authorization({ username, password }: URL): Readonly<Record<string, string>> {
  if (username === "" && password === "") return {};
  return { authorization: `Basic ${Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString("base64")}` };
}

function withoutUser(url: URL): URL {
  const plain = new URL(url);
  plain.username = "";
  plain.password = "";
  plain.hash = "";
  return plain;
}

function failed(message: string): VarveError {
  return new VarveError("CONTEXT_DOWNLOAD_FAILED", message);
}

/** Why a request failed, in words for people. */
export function requestFailure(error: unknown): string | undefined {
  let at = error;
  while (at instanceof Error && at.cause instanceof Error) at = at.cause;
  // several addresses were tried
  if (at instanceof AggregateError && at.errors.length > 0) at = at.errors[0];
  if (!(at instanceof Error)) return undefined;
  const code = (at as NodeJS.ErrnoException).code;
  if (code === "ERR_SSL_WRONG_VERSION_NUMBER" || code === "ERR_SSL_PACKET_LENGTH_TOO_LONG" || code === "ERR_SSL_HTTP_REQUEST")
    return "what answers there does not speak TLS: write http:// if it is meant to be asked in clear";
  // OpenSSL's own lines: a thread, "error", a number, where in the library, the reason
  const reason = /(?:^|\b)[0-9A-F]{8,}:error:[^:]*:[^:]*:[^:]*:([^:]+)/.exec(at.message)?.[1];
  return reason === undefined ? at.message : `no TLS connection: ${reason}`;
}
