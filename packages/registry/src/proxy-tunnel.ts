import { request as requestPlain } from "node:http";
import { request as requestSecure } from "node:https";
import type { Socket } from "node:net";
import { VarveError } from "@varve/errors";
import { TransientFailure } from "./retry.ts";

/** What {@link openTunnel} needs. */
export interface TunnelOptions {
  readonly proxy: URL;
  /** `host:port`. */
  readonly target: string;
  /** Milliseconds until the proxy must have answered. */
  readonly timeout: number;
}

/** Asks an HTTP proxy for a tunnel (CONNECT). Rejects with REGISTRY_UNREACHABLE, in a TransientFailure where another try may help. */
export function openTunnel({ proxy, target, timeout }: TunnelOptions): Promise<Socket> {
  return new Promise((resolve, reject) => {
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
      reject(
        new TransientFailure(
          new VarveError("REGISTRY_UNREACHABLE", `cannot reach ${target}: the proxy ${proxy.host} does not answer`, { hint: "check HTTPS_PROXY", cause }),
        ),
      ),
    );
    // an answer other than 200 comes as a response from some proxies, as a connection from others
    request.once("response", (response) => {
      response.resume();
      reject(refusal(proxy, target, response.statusCode ?? 0));
    });
    request.once("connect", (response, socket) => {
      socket.setTimeout(0);
      if (response.statusCode === 200) resolve(socket);
      else {
        socket.destroy();
        reject(refusal(proxy, target, response.statusCode ?? 0));
      }
    });
    request.end();
  });
}

/** The header that tells a proxy who asks; none where its URL has no user. */
export function proxyAuthorization({ username, password }: URL): Readonly<Record<string, string>> {
  if (username === "") return {};
  const plain = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { "proxy-authorization": `Basic ${Buffer.from(plain).toString("base64")}` };
}

function refusal(proxy: URL, target: string, status: number): Error {
  const hint = status === 407 ? "put its user and password into HTTPS_PROXY: http://user:password@host:port" : "check HTTPS_PROXY and NO_PROXY";
  const error = new VarveError("REGISTRY_UNREACHABLE", `cannot reach ${target}: the proxy ${proxy.host} refuses to connect (HTTP ${status})`, { hint });
  return status >= 500 ? new TransientFailure(error) : error;
}
