import { type CacheBackend, type CacheRecord, decodeCacheRecord, encodeCacheRecord } from "@varve/cache";
import { VarveError } from "@varve/errors";
import { openImage, storeImage, storeLayerTar } from "@varve/image";
import { type Digest, digestHex, type ImageConfig, type IOOptions } from "@varve/oci";
import type { RemoteRepository } from "@varve/registry";
import type { Store } from "@varve/store";
import { hostPlatform } from "../host-platform.ts";

/** What {@link createRepositoryCache} works with. */
export interface RepositoryCacheOptions {
  readonly store: Store;
  readonly repository: RemoteRepository;
  /** Seconds; what is older counts as a miss. */
  readonly maxAge?: number | undefined;
}

/** Where a record lies in the config of its image. */
const RECORD = "dev.varve.cache.record";

/**
 * Records in a repository: each an image of one layer, tagged with its key's hex, so that any registry takes it, and its own gc knows what is used. A lookup
 * brings the layer into the store.
 */
export function createRepositoryCache({ store, repository, maxAge }: RepositoryCacheOptions): CacheBackend {
  return {
    name: `${repository.registry}/${repository.repository}`,
    async lookup(key, options) {
      try {
        const record = await readRecord(repository, key.digest, options);
        if (record.key !== key.digest || (maxAge !== undefined && Date.now() - Date.parse(record.created) > maxAge * 1000)) return undefined;
        return await withLayer(store, repository, record, options);
      } catch {
        options?.signal?.throwIfAborted();
        return undefined;
      }
    },
    async record(record, options) {
      const { blob } = record;
      if (blob === undefined) return;
      try {
        await repository.push(blob, () => store.fetch(blob, options), options);
        const image = await storeImage(repository, { config: configOf(record), layers: [blob] }, options);
        await repository.tag(image, digestHex(record.key), options);
      } catch (cause) {
        options?.signal?.throwIfAborted();
        throw new VarveError("CACHE_WRITE", `cannot record ${record.title} in ${repository.registry}/${repository.repository}`, {
          cause,
          hint: cause instanceof Error ? cause.message : undefined,
        });
      }
    },
  };
}

async function readRecord(repository: RemoteRepository, key: Digest, options: IOOptions | undefined): Promise<CacheRecord> {
  const { config } = await openImage(repository, await repository.resolve(digestHex(key), options), options);
  return decodeCacheRecord(new TextEncoder().encode(String(config[RECORD])));
}

/** The record of a layer that is in the store, index and all; it may be compressed anew there. */
async function withLayer(store: Store, repository: RemoteRepository, record: CacheRecord, options: IOOptions | undefined): Promise<CacheRecord> {
  const { blob, diffID } = record;
  if (blob === undefined) throw new VarveError("CACHE_CORRUPT_RECORD", "a record of a repository names no layer");
  if ((await store.has(blob, options)) && (await store.hasLayerIndex(diffID, options))) return record;
  return { ...record, blob: await storeLayerTar(store, await repository.fetch(blob, options), { ...options, diffID }) };
}

function configOf(record: CacheRecord): ImageConfig {
  const { os, architecture } = hostPlatform();
  return {
    os,
    architecture,
    created: record.created,
    rootfs: { type: "layers", diff_ids: [record.diffID] },
    history: [{ created: record.created, created_by: record.title, comment: "a step of varve's cache" }],
    [RECORD]: new TextDecoder().decode(encodeCacheRecord(record)),
  };
}
