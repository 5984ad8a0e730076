export type { CacheBackend, CacheKey, CacheRecord, KeyComponent } from "./cache.ts";
export { createCacheKey } from "./cache-key.ts";
export { decodeCacheRecord, encodeCacheRecord } from "./cache-record.ts";
export { createLocalCache } from "./local-cache.ts";
