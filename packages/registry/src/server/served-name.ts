import { formatReference, type Reference, tryParseReference } from "@varve/oci";
import { isDockerHub, isLoopback } from "../host.ts";

/**
 * What the names of manifests begin with that the embedded registry keeps by digest alone: one whose tag moved on, and those an index
 * names. `.invalid` is nobody's (RFC 2606), so they never meet an image's name; they are roots for garbage collection like any other.
 */
const KEPT = "served.invalid";

/** Whether a name of the store is the embedded registry's way to keep a manifest, rather than an image's. */
export function isServedName(name: string): boolean {
  return name.startsWith(`${KEPT}/`);
}

/** The name that keeps a manifest of a repository. */
export function keptName(repository: string, digest: string): string {
  return `${KEPT}/${repository}@${digest}`;
}

/** A name of the store, and the repositories of the embedded registry it is served as, the usual one first. */
export interface ServedName {
  readonly reference: Reference;
  readonly repositories: readonly [string, ...string[]];
  /** Lower wins where two names are served as the same: pushes made here, loopback registries, Docker Hub, all others. */
  readonly rank: number;
}

/** Reads a name of the store as the registry at `own` (`127.0.0.1:5000`) serves it; `undefined` for what no image is called. */
export function servedName(name: string, own: string): ServedName | undefined {
  const reference = tryParseReference(name);
  // other programs write entries whose names are tags alone
  if (reference === undefined || formatReference(reference) !== name) return undefined;
  const { registry, repository } = reference;
  const official = isDockerHub(registry) ? /^library\/([^/]+)$/.exec(repository)?.[1] : undefined;
  return {
    reference,
    repositories: official === undefined ? [repository] : [official, repository],
    rank: registry === own ? 0 : isLoopback(registry) ? 1 : isDockerHub(registry) ? 2 : 3,
  };
}
