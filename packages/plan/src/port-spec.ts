const PROTOCOLS = ["tcp", "udp", "sctp"];
const LAST_PORT = 65_535;

/**
 * Reads an argument of EXPOSE (`80`, `53/udp`, `8000-8003`, `[ip:]host:container`) as the ports of a config: `80/tcp`. What stands before the
 * container's port is checked and dropped. Gives the reason when it is none.
 */
export function parsePortSpec(text: string): { readonly ports: readonly string[] } | { readonly reason: string } {
  const { address, host, container } = splitSpec(text);
  const slash = container.indexOf("/");
  const range = slash < 0 ? container : container.slice(0, slash);
  const protocol = range === "" ? "" : (slash < 0 ? "" : container.slice(slash + 1)).toLowerCase() || "tcp";
  if (!PROTOCOLS.includes(protocol)) return { reason: range === "" ? `no port in ${JSON.stringify(text)}` : `invalid protocol ${JSON.stringify(protocol)}` };
  if (address !== "" && !isAddress(address)) return { reason: `invalid address ${JSON.stringify(address)}` };
  const ports = parseRange(range);
  if (ports === undefined) return { reason: `invalid container port ${JSON.stringify(range)}` };
  if (host !== "") {
    const published = parseRange(host);
    if (published === undefined) return { reason: `invalid host port ${JSON.stringify(host)}` };
    if (ports.first !== ports.last && published.last - published.first !== ports.last - ports.first)
      return { reason: `${JSON.stringify(range)} and ${JSON.stringify(host)} are ranges of different lengths` };
  }
  return { ports: Array.from({ length: ports.last - ports.first + 1 }, (_, i) => `${ports.first + i}/${protocol}`) };
}

/** The parts of `[ip:]host:container`, unchecked; empty where there are none. */
export function splitSpec(text: string): { readonly address: string; readonly host: string; readonly container: string } {
  const parts = text.split(":");
  const container = parts.pop() ?? "";
  const host = parts.pop() ?? "";
  return { address: parts.join(":"), host, container };
}

function parseRange(text: string): { readonly first: number; readonly last: number } | undefined {
  const match = /^(\d+)(?:-(\d+))?$/.exec(text);
  if (match === null) return undefined;
  const first = Number(match[1]);
  const last = match[2] === undefined ? first : Number(match[2]);
  return first > LAST_PORT || last > LAST_PORT || last < first ? undefined : { first, last };
}

/** IPv4 with dots, IPv6 with or without brackets. */
function isAddress(text: string): boolean {
  const bare = /^\[(.*)\]$/.exec(text)?.[1] ?? text;
  const quad = bare.split(".");
  if (quad.length === 4 && quad.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255)) return true;
  return bare.includes(":") && URL.canParse(`http://[${bare}]/`);
}
