import { openImage } from "@varve/image";
import { type Descriptor, type IOOptions, type Reference, tryParseReference } from "@varve/oci";
import type { Store } from "@varve/store";

/**
 * Repositories of the same registry that a blob may be mounted from: those of other names in the store whose image has it. A registry that has none of them there
 * takes the bytes as before.
 */
export async function mountCandidates(store: Store, target: Reference, options: IOOptions): Promise<(blob: Descriptor) => readonly string[]> {
  const holders = new Map<string, Set<string>>();
  for (const { name, descriptor } of await store.refs(options)) {
    const { registry, repository } = tryParseReference(name) ?? target;
    if (registry !== target.registry || repository === target.repository) continue;
    const image = await openImage(store, descriptor, options).catch(() => undefined);
    options.signal?.throwIfAborted();
    for (const { digest } of image === undefined ? [] : [image.manifest.config, ...image.manifest.layers]) {
      holders.set(digest, (holders.get(digest) ?? new Set()).add(repository));
    }
  }
  return ({ digest }) => [...(holders.get(digest) ?? [])];
}
