import { type CacheBackend, createCacheKey, createLocalCache, type KeyComponent } from "@varve/cache";
import type { Codec } from "@varve/archive";
import { createEstargzLayer } from "@varve/image";
import type { Descriptor, DiffID, IOOptions } from "@varve/oci";
import type { Store } from "@varve/store";
import { rfc3339 } from "../rfc3339.ts";

/** A layer whose blob is in the store. */
export interface StoredBlob {
  readonly diffID: DiffID;
  readonly descriptor: Descriptor;
}

/** Makes other layers of layers, with other diffIDs, for images that are written so; remembers them, so that each is made once. */
export interface Conversions {
  /** The eStargz form. */
  estargz(layer: StoredBlob, codec: Codec, options: IOOptions): Promise<StoredBlob>;
}

/** The conversions a store remembers. */
export async function openConversions(store: Store): Promise<Conversions> {
  const cache = createLocalCache(await store.directory("cache", "converted"));
  return {
    estargz: (layer, codec, options) =>
      remembered(
        { store, cache },
        conversion("estargz", layer, { name: "encoding", value: codec.encoding }),
        () => createEstargzLayer(store, layer, codec, options),
        options,
      ),
  };
}

function conversion(kind: string, layer: StoredBlob, how: KeyComponent): readonly KeyComponent[] {
  return [{ name: "conversion", value: kind }, { name: "layer", value: layer.diffID }, how];
}

async function remembered(
  { store, cache }: { readonly store: Store; readonly cache: CacheBackend },
  components: readonly KeyComponent[],
  make: () => Promise<StoredBlob>,
  options: IOOptions,
): Promise<StoredBlob> {
  const key = createCacheKey(components);
  const known = await cache.lookup(key, options);
  if (known?.blob !== undefined && (await store.has(known.blob, options))) return { diffID: known.diffID, descriptor: known.blob };
  const { diffID, descriptor } = await make();
  const title = components.map(({ value }) => value).join(" ");
  await cache.record({ version: 1, title, diffID, blob: descriptor, created: rfc3339(Date.now()), key: key.digest, components: key.components }, options);
  return { diffID, descriptor };
}
