import { isIP } from "node:net";

/** The API host of Docker Hub; its name in references is `docker.io`. */
const HUB_API = "registry-1.docker.io";

/** The host (with port) whose `/v2/` serves a reference's registry. */
export function apiHost(registry: string): string {
  return isDockerHub(registry) ? HUB_API : registry;
}

/** Whether a registry's name, in any of its spellings, is Docker Hub. */
export function isDockerHub(registry: string): boolean {
  return registry === "docker.io" || registry === "index.docker.io" || registry === HUB_API;
}

/** Host without port and brackets: `[::1]:5000` is `::1`. */
export function hostName(host: string): string {
  return new URL(`http://${host}`).hostname.replace(/^\[|\]$/g, "");
}

/** Whether a host (with or without port) is this machine: `localhost`, 127.0.0.0/8, `::1`. No name is looked up. */
export function isLoopback(host: string): boolean {
  const name = hostName(host);
  if (name === "localhost" || name.endsWith(".localhost") || name === "::1") return true;
  return isIP(name) === 4 && name.startsWith("127.");
}
