import { BlockList, isIP } from "node:net";
import { isLoopback } from "./host.ts";

/** Environment variables, of which proxies read `HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY` and their lower-case forms. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The proxy for a URL, as curl and Go choose it: by scheme, lower case first, never for this machine, never for what `NO_PROXY` names
 * (`*`, hosts, `.domains`, IPs, CIDR blocks, each with an optional port). `undefined` is a direct connection.
 */
export function proxyFor(url: URL, env: Environment): URL | undefined {
  const proxy = url.protocol === "https:" ? setting(env, "https_proxy") : setting(env, "http_proxy");
  if (proxy === undefined || isLoopback(url.host) || isExempt(url, setting(env, "no_proxy") ?? "")) return undefined;
  return new URL(proxy.includes("://") ? proxy : `http://${proxy}`);
}

function setting(env: Environment, name: string): string | undefined {
  const value = env[name] ?? env[name.toUpperCase()];
  return value === undefined || value === "" ? undefined : value;
}

function isExempt(url: URL, list: string): boolean {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const port = url.port === "" ? (url.protocol === "https:" ? "443" : "80") : url.port;
  return list
    .split(/[\s,]+/)
    .filter((entry) => entry !== "")
    .some((entry) => matches(entry.toLowerCase(), host, port));
}

function matches(entry: string, host: string, port: string): boolean {
  if (entry === "*") return true;
  if (entry.includes("/")) return isInBlock(entry, host);
  // a bare IPv6 address has colons that are no port
  const [, named, wantedPort] = isIP(entry) === 6 ? [entry, entry, undefined] : (/^\[?([^\]]*?)\]?(?::(\d+))?$/.exec(entry) ?? [entry, entry, undefined]);
  if (wantedPort !== undefined && wantedPort !== port) return false;
  const domain = (named ?? "").replace(/^\*?\./, "");
  if (domain === "") return false;
  if (isIP(host) !== 0) return host === domain;
  return host.endsWith(`.${domain}`) || (host === domain && !(named ?? "").startsWith("*"));
}

function isInBlock(entry: string, host: string): boolean {
  const family = isIP(host);
  const [network, bits] = entry.split("/");
  if (family === 0 || network === undefined || isIP(network) !== family) return false;
  const size = Number(bits);
  if (!Number.isInteger(size) || size < 0 || size > (family === 4 ? 32 : 128)) return false;
  const block = new BlockList();
  const kind = family === 4 ? "ipv4" : "ipv6";
  block.addSubnet(network, size, kind);
  return block.check(host, kind);
}
