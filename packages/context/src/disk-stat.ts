import type { BigIntStats } from "node:fs";
import { type ContentRef, type EntryType, ListedContent } from "@varve/layer";
import type { FileState } from "./file-states.ts";
import { ListedStates } from "./listed-states.ts";

/** A reference to a file of this machine. */
export type DiskRef = Extract<ContentRef, { kind: "disk" }>;

const KIND = 0o170000;
const SOCKET = 0o140000;
const REGULAR = 0o100000;
const TYPES: ReadonlyMap<number, EntryType> = new Map([
  [REGULAR, "file"],
  [SOCKET, "file"],
  [0o040000, "directory"],
  [0o120000, "symlink"],
  [0o010000, "fifo"],
  [0o020000, "char"],
  [0o060000, "block"],
]);

/** The type that a `st_mode` tells; a socket, which no image can hold, counts as a file, as in BuildKit. `undefined` for what is none of them. */
export function entryType(mode: number): EntryType | undefined {
  return TYPES.get(mode & KIND);
}

/** Whether a `st_mode` is a socket's: there is nothing to read then. */
export function isSocket(mode: number): boolean {
  return (mode & KIND) === SOCKET;
}

/** Whether a `st_mode` is a regular file's. */
export function isRegular(mode: number): boolean {
  return (mode & KIND) === REGULAR;
}

/** Whether a `st_mode` is a directory's. */
export function isDirectory(mode: number): boolean {
  return entryType(mode) === "directory";
}

/** Whether a `st_mode` is a device's. */
export function isDevice(mode: number): boolean {
  const type = entryType(mode);
  return type === "char" || type === "block";
}

/** The state a file was listed in. */
export function stateOf(ref: DiskRef): FileState {
  if (ref instanceof ListedContent && ref.list instanceof ListedStates) return ref.list.state(ref.at);
  const { device, inode, mtimeNs, ctimeNs } = ref.stat;
  return { device: BigInt(device), inode: BigInt(inode), size: ref.size, mtimeNs: BigInt(mtimeNs), ctimeNs: BigInt(ctimeNs) };
}

/** Whether a file still is the one, and in the state, that was listed. */
export function sameState(stats: BigIntStats, listed: FileState): boolean {
  return (
    stats.isFile() &&
    stats.size === BigInt(listed.size) &&
    stats.ino === listed.inode &&
    stats.dev === listed.device &&
    stats.mtimeNs === listed.mtimeNs &&
    stats.ctimeNs === listed.ctimeNs
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
