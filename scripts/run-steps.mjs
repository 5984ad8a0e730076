// Runs programs one after another, all of them even when one fails. Imported by check.mjs.
import { spawnSync } from "node:child_process";

/**
 * Runs each `[title, program, ...arguments]` in `root`; a failed one's output is shown, a good one costs a line.
 * Returns the titles of those that failed.
 */
export function runSteps(root, steps) {
  const failed = [];
  for (const [title, program, ...args] of steps) {
    const started = performance.now();
    const run = spawnSync(program, args, { cwd: root, encoding: "utf8", maxBuffer: 1 << 28 });
    const good = run.status === 0;
    if (!good) {
      failed.push(title);
      process.stdout.write(`${run.stdout ?? ""}${run.stderr ?? ""}${run.error === undefined ? "" : `${run.error.message}\n`}`);
    }
    console.log(`${good ? "✓" : "✗"} ${title} (${((performance.now() - started) / 1000).toFixed(1)} s)`);
  }
  return failed;
}
