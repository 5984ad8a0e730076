import { join } from "node:path";
import { createRunner, type Runner, type RunnerOptions } from "@varve/snapshot";
import type { Store } from "@varve/store";

/** Which rung of the ladder runs RUN. */
export interface RungChoice {
  /** A rung by name (default: the strongest that works). */
  readonly sandbox?: string;
  /** Refuses rungs that leave a step within reach of the host. */
  readonly requireIsolation?: boolean;
}

/** A runner whose root filesystems and cache mounts lie in the store's folder; `streams` are for steps that are not captured. The caller disposes it. */
export async function startRunner(
  store: Store,
  { sandbox = "auto", requireIsolation = false }: RungChoice,
  streams?: RunnerOptions["streams"],
): Promise<Runner> {
  const directories = { ...(await runnerDirectories(store)), compiled: join(store.root, "compiled") };
  return createRunner({ ...directories, sandbox, requireIsolation, ...(streams === undefined ? {} : { streams }) });
}

/** The folders of a store that root filesystems and cache mounts lie in. */
export async function runnerDirectories(store: Store): Promise<{ readonly snapshots: string; readonly cacheMounts: string }> {
  const [snapshots, cacheMounts] = await Promise.all([store.directory("snapshots"), store.directory("cache", "mounts")]);
  return { snapshots, cacheMounts };
}
