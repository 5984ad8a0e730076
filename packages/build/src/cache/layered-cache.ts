import type { CacheBackend } from "@varve/cache";

/**
 * A cache over a slower one: what only that knows is kept in the first too. What the slower one can't record is told to `onUnrecorded`, since the build is no
 * worse for it.
 */
export function createLayeredCache(near: CacheBackend, far: CacheBackend, onUnrecorded?: (error: unknown) => void): CacheBackend {
  return {
    name: near.name,
    async lookup(key, options) {
      const known = await near.lookup(key, options);
      if (known !== undefined) return known;
      const found = await far.lookup(key, options);
      if (found !== undefined) await near.record(found, options);
      return found;
    },
    async record(record, options) {
      await near.record(record, options);
      if (onUnrecorded === undefined) return;
      try {
        await far.record(record, options);
      } catch (error) {
        options?.signal?.throwIfAborted();
        onUnrecorded(error);
      }
    },
  };
}
