import { randomUUID } from "node:crypto";
import { mkdir, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { errnoOf } from "./disk-error.ts";
import { acquireLock, type HeldLock, tryLock } from "./file-lock.ts";

const GATE = "gate";
const LEASE = /^([0-9a-f-]{36})(?:\.held.*)?$/;

/**
 * Says that a process relies on what the store has: a file of its own in `leases/`, locked, so that a dead process frees it without a clock. Whoever
 * prunes holds the gate, then looks for leases; whoever leases makes its lease, then looks at the gate. One of the two sees the other.
 */
export async function takeLease(folder: string, signal: AbortSignal | undefined): Promise<HeldLock> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const lease = await acquireLock(join(folder, randomUUID()), "exclusive", signal);
    try {
      await waitForGate(join(folder, GATE), signal);
      return lease;
    } catch (error) {
      await lease.release();
      throw error;
    }
  } catch (error) {
    const errno = errnoOf(error);
    // what can't be written to can't be pruned either
    if (errno === "EROFS" || errno === "EACCES" || errno === "EPERM") return { release: async () => {} };
    throw error;
  }
}

/** What {@link whileUnleased} waits with. */
export interface UnleasedOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called once when a lease has to be waited for. */
  readonly onWait?: (() => void) | undefined;
}

/** Does `work` while nobody holds a lease, nor gets one: those who want one wait for it, but not for the leases that are waited for here. */
export async function whileUnleased<T>(folder: string, work: () => Promise<T>, options: UnleasedOptions): Promise<T> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (let waited = 0; ; waited++) {
    const gate = await acquireLock(join(folder, GATE), "exclusive", options.signal);
    try {
      if (!(await isLeased(folder))) return await work();
    } finally {
      await gate.release();
    }
    if (waited === 0) options.onWait?.();
    await sleep(50 + Math.random() * 150, undefined, options.signal === undefined ? {} : { signal: options.signal });
  }
}

/** Removes the leases of dead processes on the way. */
async function isLeased(folder: string): Promise<boolean> {
  const ids = new Set((await readdir(folder)).flatMap((name) => LEASE.exec(name)?.[1] ?? []));
  for (const id of ids) {
    const path = join(folder, id);
    const lock = await tryLock(path, "exclusive", { create: false });
    if (lock !== undefined) await lock.release();
    else if ((await exists(path)) || (await exists(`${path}.held`))) return true;
  }
  return false;
}

/** The gate is a file only while it is held, or after its holder was killed. */
async function waitForGate(gate: string, signal: AbortSignal | undefined): Promise<void> {
  for (let pause = 5; (await exists(gate)) || (await exists(`${gate}.held`)); pause = Math.min(pause * 2, 100)) {
    const lock = await tryLock(gate, "exclusive", { create: false });
    if (lock !== undefined) return lock.release();
    await sleep(pause, undefined, signal === undefined ? {} : { signal });
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
