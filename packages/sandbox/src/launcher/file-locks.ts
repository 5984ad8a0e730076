import { AT_FDCWD } from "../mounting.ts";
import { createProgram } from "./program.ts";
import { runProgram } from "./program-runner.ts";
import { reportData } from "./report.ts";
import { launcherArch } from "./system-call.ts";

/** Locks on open files of this process, by flock(2), which Node cannot call. They end with this process, however that ends. */
export interface FileLocks {
  /**
   * Locks the file that is open as `descriptor` if nobody else has it locked. Gives what frees it, `false` when another holds it, and `undefined`
   * where this way does not work: then nothing was locked.
   */
  tryLock(descriptor: number, mode: "shared" | "exclusive"): Promise<(() => Promise<void>) | false | undefined>;
}

const O_RDWR = 2;
const [LOCK_SHARED, LOCK_EXCLUSIVE, LOCK_NOW] = [1, 2, 4];
const EAGAIN = 11;
/** The lowest descriptors that a launcher that stays has free; one of them is where it gets its programs. */
const [FIRST, FEED] = [4, 5];

/**
 * Locks that a launcher that stays holds: a lock costs a few system calls where starting `flock` takes a process of much memory twenty
 * milliseconds. `launcher` is the path of an open launcher that is used for nothing else; closing it frees all.
 */
export function createFileLocks(launcher: string): FileLocks {
  const held = new Set<number>();
  return {
    async tryLock(descriptor, mode) {
      const arch = launcherArch();
      // a program is given the lowest free descriptor
      let own = FIRST;
      while (own === FEED || held.has(own)) own++;
      held.add(own);
      const program = createProgram(arch);
      const results = program.buffer(16);
      const result = (index: number): { readonly result: { readonly address: number }; readonly onError: "ignore" } => ({
        result: { address: results.address + 8 * index },
        onError: "ignore",
      });
      program.call({ label: "open", ...result(0) }, "openat", AT_FDCWD, program.string(`/proc/${process.pid}/fd/${descriptor}`), O_RDWR);
      program.call({ label: "lock", ...result(1) }, "flock", own, (mode === "shared" ? LOCK_SHARED : LOCK_EXCLUSIVE) | LOCK_NOW);
      reportData(program, results, 16);
      const close = async (...descriptors: readonly number[]): Promise<void> => {
        const off = createProgram(arch);
        for (const one of descriptors) off.call({ label: "close", onError: "ignore" }, "close", one);
        await runProgram(launcher, off.finish()).catch(() => {});
      };
      const free = async (): Promise<void> => {
        await close(own);
        held.delete(own);
      };
      const { data } = await runProgram(launcher, program.finish()).catch(() => ({ data: undefined }));
      const [opened = -1, locked = -1] = data === undefined ? [] : [data, data.subarray(8)].map((bytes) => Number(Buffer.from(bytes).readBigInt64LE(0)));
      if (opened === own && locked === 0) return free;
      // another launcher, after one that was killed, begins anew
      if (opened >= 0 && opened !== own) await close(opened);
      await free();
      return opened === own && locked === -EAGAIN ? false : undefined;
    },
  };
}
