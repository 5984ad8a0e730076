import { tmpdir } from "node:os";
import { createFileLocks, type FileLocks, type Launcher, openLauncher } from "@varve/sandbox";
import type { Flock } from "@varve/store";

/** Locks that need no process each. */
export interface StepFlock extends AsyncDisposable {
  readonly lock: Flock;
}

/** Creates a {@link StepFlock}; a launcher is started in `directory` with the first lock. The caller disposes it when all locks are free. */
export function createStepFlock(directory: string): StepFlock {
  let opening: Promise<Opened | undefined> | undefined;
  return {
    lock: async (descriptor, mode) => (await (opening ??= openLocks(directory)))?.locks.tryLock(descriptor, mode),
    async [Symbol.asyncDispose]() {
      (await opening)?.launcher.close();
    },
  };
}

interface Opened {
  readonly launcher: Launcher;
  readonly locks: FileLocks;
}

async function openLocks(directory: string): Promise<Opened | undefined> {
  try {
    const launcher = await openLauncher([directory, tmpdir()]);
    return { launcher, locks: createFileLocks(launcher.path) };
  } catch {
    // a program is started for each lock then
    return undefined;
  }
}
