import type { RegistryStore } from "./registry-store.ts";

/** A push is many requests, and nothing stands for its blobs before its manifest comes: the store is leased until no request came for this long. */
const IDLE_MS = 30_000;

/** A lease on the store for as long as somebody pushes. */
export interface PushLease extends AsyncDisposable {
  /** Begins or prolongs it; resolves once it is held. */
  touch(): Promise<void>;
}

/** Creates a {@link PushLease} that is not held yet. */
export function createPushLease(store: RegistryStore): PushLease {
  let held: Promise<AsyncDisposable | undefined> | undefined;
  let timer: NodeJS.Timeout | undefined;
  const release = async (): Promise<void> => {
    clearTimeout(timer);
    const last = held;
    held = undefined;
    await (await last)?.[Symbol.asyncDispose]();
  };
  return {
    async touch() {
      clearTimeout(timer);
      timer = setTimeout(() => void release().catch(() => {}), IDLE_MS);
      timer.unref();
      held ??= store.lease?.() ?? Promise.resolve(undefined);
      const own = held;
      await own.catch((error: unknown) => {
        if (held === own) held = undefined;
        throw error;
      });
    },
    [Symbol.asyncDispose]: release,
  };
}
