// what is loaded when the first request is made: undici's index would load its fetch, caches, WebSockets and mocks too, most of what it costs
import type { Agent as AgentClass, Dispatcher } from "undici";
import apiRequest from "undici/lib/api/api-request.js";
import agent from "undici/lib/dispatcher/agent.js";

export const Agent: typeof AgentClass = agent;

/** undici's `request`, of a dispatcher that is named. */
export function request(dispatcher: Dispatcher, url: URL, options: Omit<Dispatcher.RequestOptions, "origin" | "path">): Promise<Dispatcher.ResponseData> {
  return apiRequest.call(dispatcher, { ...options, origin: url.origin, path: `${url.pathname}${url.search}` });
}
