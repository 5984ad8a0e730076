import { constants } from "node:fs";
import { type FileHandle, open, rm, stat } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { errnoOf } from "./disk-error.ts";
import { findFlock, tryFlock } from "./flock-program.ts";
import { tryPidLock } from "./pid-lock.ts";

/** Shared locks exclude exclusive ones only. */
export type LockMode = "shared" | "exclusive";

/** A held lock file. */
export interface HeldLock {
  /** Frees it; an exclusive one's file is removed too. Idempotent. */
  release(): Promise<void>;
}

/** Waits until `path` can be locked; creates the file. Waiting is by asking again (5 ms, growing to 200 ms), so that a killed waiter leaves nothing behind. */
export async function acquireLock(path: string, mode: LockMode, signal?: AbortSignal): Promise<HeldLock> {
  for (let pause = 5; ; pause = Math.min(pause * 2, 200)) {
    signal?.throwIfAborted();
    const lock = await tryLock(path, mode);
    if (lock !== undefined) return lock;
    await sleep(pause * (0.5 + Math.random()), undefined, signal === undefined ? {} : { signal });
  }
}

/** Locks `path` if nobody else does; undefined otherwise. `create: false` also gives undefined when there is no such file. */
export async function tryLock(path: string, mode: LockMode, options: { readonly create?: boolean } = {}): Promise<HeldLock | undefined> {
  const program = await findFlock();
  if (program === undefined) return tryPidLock(path);
  const handle = await openLockFile(path, options.create ?? true);
  if (handle === undefined) return undefined;
  try {
    // the previous holder removes the file on release; a lock on a removed file excludes nobody
    if ((await tryFlock(program, handle.fd, mode)) && (await isStillAt(handle, path))) return heldLock(handle, path, mode);
  } catch (error) {
    await handle.close();
    throw error;
  }
  await handle.close();
  return undefined;
}

async function openLockFile(path: string, create: boolean): Promise<FileHandle | undefined> {
  try {
    return await open(path, constants.O_RDWR | constants.O_NOFOLLOW | (create ? constants.O_CREAT : 0), 0o600);
  } catch (error) {
    if (!create && errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

async function isStillAt(handle: FileHandle, path: string): Promise<boolean> {
  const ours = await handle.stat();
  try {
    const there = await stat(path);
    return there.ino === ours.ino && there.dev === ours.dev;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return false;
    throw error;
  }
}

function heldLock(handle: FileHandle, path: string, mode: LockMode): HeldLock {
  let released: Promise<void> | undefined;
  const release = async (): Promise<void> => {
    try {
      if (mode === "exclusive") await rm(path, { force: true });
    } finally {
      await handle.close();
    }
  };
  return { release: () => (released ??= release()) };
}
