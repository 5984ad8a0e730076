import type { LookupAddress } from "node:dns";
import { BlockList, isIP, type LookupFunction } from "node:net";
import { VarveError } from "@varve/errors";
import { hostName } from "./host.ts";

const PRIVATE: BlockList = privateAddresses();

/** Whether an IP address is this machine's, a private network's, or link-local (where clouds keep their metadata services). */
export function isPrivateAddress(address: string): boolean {
  const family = isIP(address);
  if (family === 4) return PRIVATE.check(address, "ipv4");
  // an IPv4 address in IPv6's clothes (::ffff:10.0.0.1) is checked as what it is by the block list
  return family === 6 && PRIVATE.check(address, "ipv6");
}

/** Whether every address of a host (with or without port) is public. A name that can't be looked up counts as public. */
export async function isPublicHost(host: string): Promise<boolean> {
  const name = hostName(host);
  if (isIP(name) !== 0) return !isPrivateAddress(name);
  const { lookup } = await import("node:dns");
  const addresses = await new Promise<readonly LookupAddress[]>((resolve) => {
    lookup(name, { all: true }, (error, found) => resolve(error === null ? found : []));
  });
  return addresses.every(({ address }) => !isPrivateAddress(address));
}

/** Throws REGISTRY_UNSAFE_REDIRECT when a host is a private IP address; names are judged by {@link publicLookup}. */
export function requirePublicAddress(host: string): void {
  const name = hostName(host);
  if (isPrivateAddress(name) || name === "localhost" || name.endsWith(".localhost")) throw steered(host);
}

/** A look-up for connections that must not reach private addresses: it judges the very address that is connected to. */
export const publicLookup: LookupFunction = (name, options, callback) => {
  void import("node:dns").then(({ lookup }) =>
    lookup(name, { ...options, all: true }, (error, found) => {
      if (error !== null) return callback(error, "");
      const open = found.filter(({ address }) => !isPrivateAddress(address));
      const [first] = open;
      if (first === undefined) return callback(steered(name), "");
      if (options.all === true) callback(null, open);
      else callback(null, first.address, first.family);
    }),
  );
};

function steered(host: string): VarveError {
  return new VarveError("REGISTRY_UNSAFE_REDIRECT", `a registry on a public address sends its client to the private address of ${host}`, {
    hint: `if that is meant, add --insecure-registry ${host}`,
  });
}

function privateAddresses(): BlockList {
  const list = new BlockList();
  for (const [network, bits] of [
    ["0.0.0.0", 8],
    ["10.0.0.0", 8],
    ["100.64.0.0", 10],
    ["127.0.0.0", 8],
    ["169.254.0.0", 16],
    ["172.16.0.0", 12],
    ["192.168.0.0", 16],
  ] as const) {
    list.addSubnet(network, bits, "ipv4");
  }
  list.addAddress("::", "ipv6");
  list.addAddress("::1", "ipv6");
  list.addSubnet("fc00::", 7, "ipv6");
  list.addSubnet("fe80::", 10, "ipv6");
  return list;
}
