import type { CacheKey } from "@varve/cache";
import { isVarveError } from "@varve/errors";
import type { Lock } from "@varve/store";
import type { StepScope } from "./execution.ts";

/**
 * Waits until no other build that shares the store makes the step of this key; whoever holds the lock makes it, and records it before the
 * release. Nobody waits for a step while holding a lock that step could need, so builds can't wait for each other in a circle.
 * `undefined` where the holder can't be observed (a store shared with another machine, without `flock`): then both make it.
 */
export async function lockStep({ execution, events, io }: StepScope, key: CacheKey): Promise<Lock | undefined> {
  const name = `step ${key.digest}`;
  try {
    const free = await execution.store.tryLock(name, "exclusive", execution.flock);
    if (free !== undefined) return free;
    events.note("another build is at this step: waiting for its result");
    return await execution.store.lock(name, "exclusive", io);
  } catch (error) {
    if (!isVarveError(error, "STORE_LOCKED")) throw error;
    return undefined;
  }
}
