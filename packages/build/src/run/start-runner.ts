import { createRunner, type Runner } from "@varve/snapshot";
import type { Store } from "@varve/store";

/** A runner whose root filesystems and cache mounts lie in the store's folder; `sandbox` forces a rung. The caller disposes it. */
export async function startRunner(store: Store, sandbox: string | undefined): Promise<Runner> {
  const [snapshots, cacheMounts] = await Promise.all([store.directory("snapshots"), store.directory("cache", "mounts")]);
  return createRunner({ snapshots, cacheMounts, sandbox: sandbox ?? "auto" });
}
