import type { Descriptor, Digest } from "@varve/oci";
import type { RegistryStore } from "./registry-store.ts";

/**
 * What the names of served images begin with in the store's `index.json`. `.invalid` is nobody's (RFC 2606), so they never meet the names
 * of local images; they are references all the same, and roots for garbage collection like any other name.
 */
const PREFIX = "served.invalid/";

/** Whether a name of the store belongs to a repository of the embedded registry rather than to a local image. */
export function isServedName(name: string): boolean {
  return name.startsWith(PREFIX);
}

/** A repository's manifests: `served.invalid/<repository>@<digest>` for each, `served.invalid/<repository>:<tag>` for each tag. */
export interface ServedRepository {
  readonly tags: ReadonlyMap<string, Descriptor>;
  readonly manifests: ReadonlyMap<Digest, Descriptor>;
}

/** The names of every repository that has a manifest, sorted by their bytes. */
export async function servedRepositories(store: RegistryStore): Promise<readonly string[]> {
  const names = new Set<string>();
  for (const { name } of await store.refs()) if (isServedName(name)) names.add(splitName(name).repository);
  return [...names].toSorted();
}

/** A repository; `undefined` when nothing was ever pushed to it, or everything deleted. */
export async function servedRepository(store: RegistryStore, repository: string): Promise<ServedRepository | undefined> {
  const tags = new Map<string, Descriptor>();
  const manifests = new Map<Digest, Descriptor>();
  for (const { name, descriptor } of await store.refs()) {
    if (!isServedName(name)) continue;
    const split = splitName(name);
    if (split.repository !== repository) continue;
    manifests.set(descriptor.digest, descriptor);
    if (split.tag !== undefined) tags.set(split.tag, descriptor);
  }
  return manifests.size === 0 ? undefined : { tags, manifests };
}

/** Makes a stored manifest part of a repository, under a tag too when there is one. */
export async function addServedManifest(
  store: RegistryStore,
  place: { readonly repository: string; readonly tag?: string | undefined },
  descriptor: Descriptor,
): Promise<void> {
  await store.tag(descriptor, `${PREFIX}${place.repository}@${descriptor.digest}`);
  if (place.tag !== undefined) await store.tag(descriptor, `${PREFIX}${place.repository}:${place.tag}`);
}

/** Removes a tag; the manifest stays. `false` when there was none. */
export async function removeServedTag(store: RegistryStore, repository: string, tag: string): Promise<boolean> {
  return store.untag(`${PREFIX}${repository}:${tag}`);
}

/** Removes a manifest and every tag that names it. `false` when there was none. */
export async function removeServedManifest(store: RegistryStore, repository: string, digest: Digest): Promise<boolean> {
  const served = await servedRepository(store, repository);
  if (served === undefined || !served.manifests.has(digest)) return false;
  for (const [tag, descriptor] of served.tags) if (descriptor.digest === digest) await removeServedTag(store, repository, tag);
  await store.untag(`${PREFIX}${repository}@${digest}`);
  return true;
}

function splitName(name: string): { readonly repository: string; readonly tag?: string } {
  const rest = name.slice(PREFIX.length);
  const at = rest.indexOf("@");
  if (at >= 0) return { repository: rest.slice(0, at) };
  const colon = rest.indexOf(":");
  return colon < 0 ? { repository: rest } : { repository: rest.slice(0, colon), tag: rest.slice(colon + 1) };
}
