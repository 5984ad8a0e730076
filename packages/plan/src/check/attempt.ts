import { isVarveError } from "@varve/errors";

/** What `work` gives; `undefined` when it is refused: what a check can't evaluate fails again, and is told, where it is planned. */
export function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (isVarveError(error)) return undefined;
    throw error;
  }
}
