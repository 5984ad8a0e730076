/** What downloads need of undici, whose index would load much more; a module of its own, so that it is loaded by builds that download only. */
import type { Dispatcher, EnvHttpProxyAgent as EnvHttpProxyAgentClass } from "undici";
import apiRequest from "undici/lib/api/api-request.js";
import agent from "undici/lib/dispatcher/env-http-proxy-agent.js";

export const EnvHttpProxyAgent: typeof EnvHttpProxyAgentClass = agent;

/** A GET without a body. */
export function request(dispatcher: Dispatcher, url: URL, options: Pick<Dispatcher.RequestOptions, "headers" | "signal">): Promise<Dispatcher.ResponseData> {
  return apiRequest.call(dispatcher, { ...options, method: "GET", origin: url.origin, path: `${url.pathname}${url.search}` });
}
