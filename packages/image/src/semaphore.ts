/** Lets at most a number of functions run at a time, in the order they came. */
export interface Semaphore {
  run<T>(work: () => Promise<T>): Promise<T>;
}

/** Creates a {@link Semaphore} with `permits` (1 or more) places. */
export function createSemaphore(permits: number): Semaphore {
  let free = Math.max(1, Math.trunc(permits));
  const waiting: (() => void)[] = [];
  return {
    async run(work) {
      if (free > 0) free -= 1;
      else await new Promise<void>((resolve) => waiting.push(resolve));
      try {
        return await work();
      } finally {
        // a place goes straight to the next in line, so that nobody overtakes
        const next = waiting.shift();
        if (next === undefined) free += 1;
        else next();
      }
    },
  };
}
