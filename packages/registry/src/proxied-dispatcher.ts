// what is loaded when the first request through a proxy is made
import type { buildConnector as BuildConnector, Dispatcher, ProxyAgent as ProxyAgentClass } from "undici";
import connect from "undici/lib/core/connect.js";
import proxyAgent from "undici/lib/dispatcher/proxy-agent.js";
import { createTunnelConnector } from "./proxy-tunnel.ts";
import { Agent } from "./undici-module.ts";

const ProxyAgent: typeof ProxyAgentClass = proxyAgent;
const buildConnector: typeof BuildConnector = connect;

/** What {@link createProxiedDispatcher} needs. */
export interface ProxiedOptions {
  readonly proxy: URL;
  /** Whether the far end speaks TLS, through a tunnel; else the proxy is asked for URLs. */
  readonly tunnel: boolean;
  /** Milliseconds to connect. */
  readonly timeout: number;
  /** How the far end's certificate is judged. */
  readonly trust: { readonly rejectUnauthorized?: boolean };
}

/** A dispatcher that sends all requests through a proxy. */
export function createProxiedDispatcher({ proxy, tunnel, timeout, trust }: ProxiedOptions): Dispatcher {
  if (!tunnel) return new ProxyAgent({ uri: proxy.href, proxyTunnel: false, connect: { timeout } });
  return new Agent({ connect: createTunnelConnector({ proxy, timeout, connector: buildConnector({ timeout, ...trust }) }) });
}
