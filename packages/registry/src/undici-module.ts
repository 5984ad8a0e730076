// what is loaded when the first request is made: undici's index would load its fetch, caches, WebSockets and mocks too, most of what it costs
import type { Agent as AgentClass, Dispatcher } from "undici";
import apiRequest from "undici/lib/api/api-request.js";
import agent from "undici/lib/dispatcher/agent.js";

export const Agent: typeof AgentClass = agent;

/** What a request is sent with. */
export interface RequestOptions extends Omit<Dispatcher.RequestOptions, "origin" | "path" | "body"> {
  /** undici takes what can be iterated, which its typings leave out. */
  readonly body: Uint8Array | AsyncIterable<Uint8Array> | null;
}

/** undici's `request`, of a dispatcher that is named. */
export function request(dispatcher: Dispatcher, url: URL, options: RequestOptions): Promise<Dispatcher.ResponseData> {
  const body = options.body as Uint8Array | null;
  return apiRequest.call(dispatcher, { ...options, body, origin: url.origin, path: `${url.pathname}${url.search}` });
}
