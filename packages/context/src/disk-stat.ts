import type { BigIntStats } from "node:fs";
import type { DiskStat } from "@varve/layer";

/** Whether a file still is the one, and in the state, that was listed. */
export function sameState(stats: BigIntStats, size: number, listed: DiskStat): boolean {
  return (
    stats.isFile() &&
    stats.size === BigInt(size) &&
    stats.ino.toString() === listed.inode &&
    stats.dev.toString() === listed.device &&
    stats.mtimeNs.toString() === listed.mtimeNs &&
    stats.ctimeNs.toString() === listed.ctimeNs
  );
}

/** Whole seconds since the epoch, rounded down as containerd's archives do. */
export function wholeSeconds(nanoseconds: bigint): number {
  const seconds = nanoseconds / 1_000_000_000n;
  return Number(nanoseconds < 0n && nanoseconds % 1_000_000_000n !== 0n ? seconds - 1n : seconds);
}

/** Splits Linux's 64-bit `dev_t` (glibc `gnu_dev_major`, `gnu_dev_minor`). */
export function deviceNumbers(rdev: bigint): { readonly major: number; readonly minor: number } {
  return {
    major: Number(((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xfffff000n)),
    minor: Number((rdev & 0xffn) | ((rdev >> 12n) & 0xffffff00n)),
  };
}
