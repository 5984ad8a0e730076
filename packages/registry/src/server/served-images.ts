import { collectBytes } from "@varve/bytes";
import { type Descriptor, type Digest, DOCUMENT_LIMIT, isIndexType, parseIndex } from "@varve/oci";
import type { RegistryStore } from "./registry-store.ts";
import { isServedName, keptName, servedName } from "./served-name.ts";

/** A repository's manifests. */
export interface ServedRepository {
  readonly tags: ReadonlyMap<string, Descriptor>;
  /** Those that have a name in the store; an index's children need none. */
  readonly manifests: ReadonlyMap<Digest, Descriptor>;
}

/** What became of a deletion: `local` is an image of this machine, which only its owner removes. */
export type Removal = "removed" | "unknown" | "local";

/**
 * The images of a store as repositories: what `host/a/b:1` names is tag `1` of repository `a/b`, whatever the host (Docker Hub's `library/app` is also
 * `app`). Pushes are stored under the server's own address, so that they are images like others; where two names are served as one, the own
 * one wins, then loopback registries, Docker Hub, the rest by name.
 */
export interface ServedImages {
  /** The usual names of every repository, sorted by their bytes. */
  repositories(): Promise<readonly string[]>;
  /** `undefined` when nothing is called so. */
  find(repository: string): Promise<ServedRepository | undefined>;
  /** A manifest of a repository by its digest, also one that only an index names. */
  manifest(repository: string, digest: Digest): Promise<Descriptor | undefined>;
  /** Makes a stored manifest part of a repository, under a tag too when there is one. */
  add(place: { readonly repository: string; readonly tag?: string | undefined }, descriptor: Descriptor): Promise<void>;
  /** Removes a pushed tag; the manifest stays. */
  removeTag(repository: string, tag: string): Promise<Removal>;
  /** Removes a pushed manifest and every pushed tag that names it. */
  removeManifest(repository: string, digest: Digest): Promise<Removal>;
}

/** The images of `store`, served at the address `own` (`127.0.0.1:5000`). */
export function createServedImages(store: RegistryStore, own: string): ServedImages {
  const find = async (repository: string): Promise<ServedRepository | undefined> => {
    const tags = new Map<string, { readonly rank: number; readonly descriptor: Descriptor }>();
    const manifests = new Map<Digest, Descriptor>();
    // refs come sorted by name, so that of one rank the first counts
    for (const { name, descriptor } of await store.refs()) {
      const served = servedName(name, own);
      if (served?.repositories.includes(repository) !== true) continue;
      manifests.set(descriptor.digest, descriptor);
      const { tag } = served.reference;
      if (tag === undefined) continue;
      const known = tags.get(tag);
      if (known === undefined || served.rank < known.rank) tags.set(tag, { rank: served.rank, descriptor });
    }
    if (manifests.size === 0) return undefined;
    return { tags: new Map([...tags].map(([tag, { descriptor }]) => [tag, descriptor])), manifests };
  };
  const ownName = (repository: string, tag: string): string => `${own}/${repository}:${tag}`;
  return {
    find,
    async repositories() {
      const names = new Set<string>();
      for (const { name } of await store.refs()) {
        const served = servedName(name, own);
        if (served !== undefined) names.add(served.repositories[0]);
      }
      return [...names].toSorted();
    },
    async manifest(repository, digest) {
      const manifests = (await find(repository))?.manifests;
      if (manifests === undefined) return undefined;
      return manifests.get(digest) ?? (await findChild(store, [...manifests.values()], digest));
    },
    async add({ repository, tag }, descriptor) {
      await store.tag(descriptor, keptName(repository, descriptor.digest));
      if (tag !== undefined) await store.tag(descriptor, ownName(repository, tag));
    },
    async removeTag(repository, tag) {
      if (await store.untag(ownName(repository, tag))) return "removed";
      return (await find(repository))?.tags.has(tag) === true ? "local" : "unknown";
    },
    async removeManifest(repository, digest) {
      let removed = await store.untag(keptName(repository, digest));
      for (const { name, descriptor } of await store.refs()) {
        if (descriptor.digest === digest && name.startsWith(`${own}/${repository}:`) && (await store.untag(name))) removed = true;
      }
      if (removed) return "removed";
      return (await find(repository))?.manifests.has(digest) === true ? "local" : "unknown";
    },
  };
}

/**
 * Drops what the embedded registry kept of an image by digest, once no name of the image's path names it any more: the last name that is removed takes
 * its manifests along. `name` is one that was just removed, `descriptor` what it named.
 */
export async function releaseServed(store: RegistryStore, name: string, descriptor: Descriptor): Promise<void> {
  const repository = servedName(name, "")?.reference.repository;
  if (repository === undefined || isServedName(name)) return;
  const named = (await store.refs()).filter((ref) => !isServedName(ref.name) && servedName(ref.name, "")?.reference.repository === repository);
  const kept = new Set<string>();
  for (const ref of named) for (const { digest } of await withChildren(store, ref.descriptor)) kept.add(digest);
  for (const { digest } of await withChildren(store, descriptor)) if (!kept.has(digest)) await store.untag(keptName(repository, digest));
}

async function findChild(store: RegistryStore, manifests: readonly Descriptor[], digest: Digest): Promise<Descriptor | undefined> {
  for (const manifest of manifests) {
    const found = (await withChildren(store, manifest)).find((child) => child.digest === digest);
    // an index may name what was never fetched
    if (found !== undefined && (await store.has(found))) return found;
  }
  return undefined;
}

/** image-spec: an index may name indexes. */
const DEPTH = 3;

async function withChildren(store: RegistryStore, descriptor: Descriptor, depth = 0): Promise<readonly Descriptor[]> {
  const { mediaType, digest, size } = descriptor;
  const self = { mediaType, digest, size };
  if (!isIndexType(mediaType) || depth === DEPTH || !(await store.has(self))) return [self];
  const bytes = await collectBytes(await store.fetch(self), DOCUMENT_LIMIT, () => new RangeError("a stored manifest is within the limit"));
  const children = await Promise.all(parseIndex(bytes, mediaType).manifests.map((child) => withChildren(store, child, depth + 1)));
  return [self, ...children.flat()];
}
