import { lstatSync, readdirSync } from "node:fs";
import { uptime } from "node:os";

/** Milliseconds after which a kernel has written to the disk what nobody asked it to: half a minute is usual, and laptops may wait longer. */
const WRITTEN_BACK = 5 * 60 * 1000;

/**
 * Names of the snapshots that a power cut may have left incomplete: nothing syncs them, so those are in doubt that were made shortly before
 * the last sign of life of helpers, or after it, where the machine has started since. Asked before this helper gives such a sign, which
 * is a change of `work`. `started`: milliseconds since the epoch.
 */
export function doubtfulSnapshots(snapshots: string, work: string, started: number = Date.now() - uptime() * 1000): readonly string[] {
  const alive = lstatSync(work, { throwIfNoEntry: false })?.mtimeMs ?? Infinity;
  if (alive >= started) return [];
  // a rename into place is the last change of a snapshot's directory
  return readdirSync(snapshots).filter((name) => {
    const path = `${snapshots}/${name}`;
    return path !== work && (lstatSync(path, { throwIfNoEntry: false })?.ctimeMs ?? 0) > alive - WRITTEN_BACK;
  });
}
