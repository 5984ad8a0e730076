import { chmodSync, closeSync, lstatSync, openSync, unlinkSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** Milliseconds after which a clock that was set back is waited for no longer. */
const LONGEST_WAIT = 250;

/**
 * Waits until a change made now in `directory` is newer than `time`, and gives what it is stamped with: kernels before 6.13 stamp by the
 * tick, so what happens within one can't be told apart. Gives up, with an older time, where the clock was set back.
 */
export async function awaitClockAfter(time: number, directory: string): Promise<number> {
  const probe = `${directory}/clock`;
  closeSync(openSync(probe, "wx", 0o600));
  try {
    const until = performance.now() + LONGEST_WAIT;
    for (let mode = 0o600; ; mode ^= 0o100) {
      chmodSync(probe, mode);
      const now = lstatSync(probe).ctimeMs;
      if (now > time || performance.now() > until) return now;
      await sleep(1);
    }
  } finally {
    unlinkSync(probe);
  }
}
