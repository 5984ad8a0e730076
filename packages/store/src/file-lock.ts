import { constants } from "node:fs";
import { type FileHandle, open, stat, unlink } from "node:fs/promises";
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

/**
 * Another way to lock an open file by flock(2), without waiting: what frees it, `false` when another holds it, `undefined` where the way doesn't work
 * and the `flock` program is to be started after all.
 */
export type Flock = (descriptor: number, mode: LockMode) => Promise<(() => Promise<void>) | false | undefined>;

/** How {@link tryLock} locks. */
export interface TryLockOptions {
  /** `false`: a file that is not there is not locked (default: made). */
  readonly create?: boolean;
  readonly flock?: Flock | undefined;
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
export async function tryLock(path: string, mode: LockMode, options: TryLockOptions = {}): Promise<HeldLock | undefined> {
  const program = await findFlock();
  if (program === undefined) return tryPidLock(path);
  const handle = await openLockFile(path, options.create ?? true);
  if (handle === undefined) return undefined;
  try {
    // the previous holder removes the file on release; a lock on a removed file excludes nobody
    const free = (await options.flock?.(handle.fd, mode)) ?? ((await tryFlock(program, handle.fd, mode)) && (async () => {}));
    if (free !== false) {
      if (await isStillAt(handle, path)) return heldLock(handle, path, { mode, free });
      await free();
    }
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

/** As `rm` with `force`, which looks twice before. */
async function removeFile(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
  }
}

interface Holding {
  readonly mode: LockMode;
  /** Frees what does not end with the handle. */
  readonly free: () => Promise<void>;
}

function heldLock(handle: FileHandle, path: string, { mode, free }: Holding): HeldLock {
  let released: Promise<void> | undefined;
  const release = async (): Promise<void> => {
    try {
      if (mode === "exclusive") await removeFile(path);
    } finally {
      await free();
      await handle.close();
    }
  };
  return { release: () => (released ??= release()) };
}
