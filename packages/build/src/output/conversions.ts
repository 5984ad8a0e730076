import type { Codec } from "@varve/archive";
import type { ByteStream } from "@varve/bytes";
import { type CacheBackend, type CacheKey, type CacheRecord, createCacheKey, createLocalCache, type KeyComponent } from "@varve/cache";
import { isVarveError } from "@varve/errors";
import { createEstargzLayer, recompressLayer, rewriteLayerTimes } from "@varve/image";
import type { Descriptor, DiffID, IOOptions } from "@varve/oci";
import type { Store } from "@varve/store";
import { rfc3339 } from "../rfc3339.ts";

/** A layer whose blob is in the store. */
export interface StoredBlob {
  readonly diffID: DiffID;
  readonly descriptor: Descriptor;
}

/** Makes other layers of layers, or other blobs of them, for images that are written so; remembers them, so that each is made, and looked for, once. */
export interface Conversions {
  /** The same layer as a blob that the codec makes: its own where that fits. An index, which is large where there are many files, is read the first time only. */
  compressed(layer: StoredBlob, codec: Codec, options: IOOptions): Promise<StoredBlob>;
  /** The eStargz form. */
  estargz(layer: StoredBlob, codec: Codec, options: IOOptions): Promise<StoredBlob>;
  /** With later file times made `latestTime` (seconds since the epoch); the layer itself when it has none. `step` tells which layer was its forerunner. */
  times(layer: StoredBlob, how: { readonly latestTime: number; readonly codec: Codec; readonly step: string }, options: IOOptions): Promise<StoredBlob>;
}

/** The conversions a store remembers. */
export async function openConversions(store: Store): Promise<Conversions> {
  const cache = createLocalCache(await store.directory("cache", "converted"));
  const scope = { store, cache };
  return {
    async compressed(layer, codec, options) {
      const { diffID, descriptor } = layer;
      const parts = [...components("compressed", layer, { name: "encoding", value: codec.encoding }), { name: "blob", value: descriptor.digest }];
      const key = createCacheKey(parts);
      const known = await recall(scope, key, options);
      if (known !== undefined) return known;
      const open = (io?: IOOptions): Promise<ByteStream> => store.fetch(descriptor, io);
      const made = { diffID, descriptor: await recompressLayer(store, { diffID, descriptor, open }, codec, options) };
      // of a store that can only be read the index is read again
      await cache.record(recordOf(key, made), options).catch((error: unknown) => {
        if (!isVarveError(error, "CACHE_WRITE")) throw error;
      });
      return made;
    },
    estargz: (layer, codec, options) =>
      remembered(
        scope,
        components("estargz", layer, { name: "encoding", value: codec.encoding }),
        () => createEstargzLayer(store, layer, codec, options),
        options,
      ),
    times: (layer, how, options) =>
      remembered(
        scope,
        components("times", layer, { name: "latest time", value: String(how.latestTime) }),
        () => rewriteTimes(scope, layer, how, options),
        options,
      ),
  };
}

interface Scope {
  readonly store: Store;
  readonly cache: CacheBackend;
}

async function rewriteTimes(
  { store, cache }: Scope,
  { diffID, descriptor }: StoredBlob,
  { latestTime, codec, step }: { readonly latestTime: number; readonly codec: Codec; readonly step: string },
  options: IOOptions,
): Promise<StoredBlob> {
  // the same step before a change: most of its segments are those of the layer to make
  const outline = createCacheKey([
    { name: "conversion", value: "times" },
    { name: "step", value: step },
  ]);
  const before = await cache.lookup(outline, options);
  const layer = { diffID, descriptor, open: (io?: IOOptions) => store.fetch(descriptor, io) };
  const made = await rewriteLayerTimes(store, layer, { ...options, latestTime, codec, previous: before === undefined ? [] : [before.diffID] });
  if (made === undefined) return { diffID, descriptor };
  await cache.record(recordOf(outline, made), options);
  return made;
}

function components(kind: string, layer: StoredBlob, how: KeyComponent): readonly KeyComponent[] {
  return [{ name: "conversion", value: kind }, { name: "layer", value: layer.diffID }, how];
}

async function remembered(scope: Scope, parts: readonly KeyComponent[], make: () => Promise<StoredBlob>, options: IOOptions): Promise<StoredBlob> {
  const key = createCacheKey(parts);
  const known = await recall(scope, key, options);
  if (known !== undefined) return known;
  const made = await make();
  await scope.cache.record(recordOf(key, made), options);
  return made;
}

async function recall({ store, cache }: Scope, key: CacheKey, options: IOOptions): Promise<StoredBlob | undefined> {
  const known = await cache.lookup(key, options);
  return known?.blob !== undefined && (await store.has(known.blob, options)) ? { diffID: known.diffID, descriptor: known.blob } : undefined;
}

function recordOf(key: CacheKey, { diffID, descriptor }: StoredBlob): CacheRecord {
  const title = key.components.map(({ value }) => value).join(" ");
  return { version: 1, title, diffID, blob: descriptor, created: rfc3339(Date.now()), key: key.digest, components: key.components };
}
