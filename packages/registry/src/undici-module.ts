// what is loaded when the first request is made: undici's index would load its fetch, caches, WebSockets and mocks too, most of what it costs
import type { Agent as AgentClass, buildConnector as BuildConnector, Dispatcher, ProxyAgent as ProxyAgentClass } from "undici";
import apiRequest from "undici/lib/api/api-request.js";
import connect from "undici/lib/core/connect.js";
import agent from "undici/lib/dispatcher/agent.js";
import proxyAgent from "undici/lib/dispatcher/proxy-agent.js";

export const Agent: typeof AgentClass = agent;
export const ProxyAgent: typeof ProxyAgentClass = proxyAgent;
export const buildConnector: typeof BuildConnector = connect;

/** undici's `request`, of a dispatcher that is named. */
export function request(dispatcher: Dispatcher, url: URL, options: Omit<Dispatcher.RequestOptions, "origin" | "path">): Promise<Dispatcher.ResponseData> {
  return apiRequest.call(dispatcher, { ...options, origin: url.origin, path: `${url.pathname}${url.search}` });
}
