import { readFileSync, writeFileSync } from "node:fs";
import type { SandboxDriver } from "@varve/sandbox";

const FILE = "last-rung";

/**
 * Notes in `snapshots` (host path) which rung runs steps now. Says so when the rung that did before was a stronger one of the ladder: what is in the cache
 * may have owners that this one can't give.
 */
export function noteRung(snapshots: string, ladder: readonly SandboxDriver[], name: string): string | undefined {
  const file = `${snapshots}/${FILE}`;
  let before = "";
  try {
    before = readFileSync(file, "utf8");
  } catch {
    // the first build of this store
  }
  try {
    if (before !== name) writeFileSync(file, name);
  } catch {
    // a store of another user, or a full disk: then the next build can't be told
  }
  const rank = (wanted: string): number => ladder.findIndex((driver) => driver.name === wanted);
  return rank(before) >= 0 && rank(before) < rank(name)
    ? `it runs in the sandbox ${name}, which is weaker than ${before}, in which the last build here ran (varve doctor tells why)`
    : undefined;
}
