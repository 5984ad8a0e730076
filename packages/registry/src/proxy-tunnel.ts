import { request as requestPlain } from "node:http";
import { request as requestSecure } from "node:https";
import { VarveError } from "@varve/errors";
import type { buildConnector } from "undici";
import { TransientFailure } from "./retry.ts";

/** How the far end of a tunnel is connected to: undici's own connector, which speaks TLS over a socket it is given. */
type Connector = ReturnType<typeof buildConnector>;

/** What {@link createTunnelConnector} needs. */
export interface TunnelOptions {
  readonly proxy: URL;
  /** Milliseconds until the proxy must have answered. */
  readonly timeout: number;
  readonly connector: Connector;
}

/** A connector that asks an HTTP proxy for a tunnel (CONNECT). undici's own waits for ever for a proxy that hangs up without an answer. */
export function createTunnelConnector({ proxy, timeout, connector }: TunnelOptions): Connector {
  return (options, callback) => {
    const target = /:\d+$/.test(options.host ?? "") ? (options.host ?? "") : `${options.host ?? options.hostname}:${options.port === "" ? 443 : options.port}`;
    const fail = (error: Error): void => callback(error, null);
    const connect = proxy.protocol === "https:" ? requestSecure : requestPlain;
    const request = connect({
      host: proxy.hostname.replace(/^\[|\]$/g, ""),
      port: proxy.port === "" ? undefined : proxy.port,
      method: "CONNECT",
      path: target,
      headers: { host: target, ...proxyAuthorization(proxy) },
      agent: false,
      timeout,
    });
    request.once("timeout", () => request.destroy(Object.assign(new Error("the proxy does not answer in time"), { code: "ETIMEDOUT" })));
    request.once("error", (cause) =>
      fail(
        new TransientFailure(
          new VarveError("REGISTRY_UNREACHABLE", `cannot reach ${target}: the proxy ${proxy.host} does not answer`, { hint: "check HTTPS_PROXY", cause }),
        ),
      ),
    );
    // an answer other than 200 comes as a response from some proxies, as a connection from others
    request.once("response", (response) => {
      response.resume();
      fail(refusal(proxy, target, response.statusCode ?? 0));
    });
    request.once("connect", (response, socket) => {
      socket.setTimeout(0);
      if (response.statusCode === 200) connector({ ...options, httpSocket: socket }, callback);
      else {
        socket.destroy();
        fail(refusal(proxy, target, response.statusCode ?? 0));
      }
    });
    request.end();
  };
}

function proxyAuthorization({ username, password }: URL): Readonly<Record<string, string>> {
  if (username === "") return {};
  const plain = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { "proxy-authorization": `Basic ${Buffer.from(plain).toString("base64")}` };
}

function refusal(proxy: URL, target: string, status: number): Error {
  const hint = status === 407 ? "put its user and password into HTTPS_PROXY: http://user:password@host:port" : "check HTTPS_PROXY and NO_PROXY";
  const error = new VarveError("REGISTRY_UNREACHABLE", `cannot reach ${target}: the proxy ${proxy.host} refuses to connect (HTTP ${status})`, { hint });
  return status >= 500 ? new TransientFailure(error) : error;
}
