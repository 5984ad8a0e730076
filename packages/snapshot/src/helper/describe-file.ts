import { type BigIntStats, readlinkSync } from "node:fs";
import type { BytePath } from "@varve/bytes";
import { hostPath } from "../host-path.ts";
import type { UpperEntry } from "./upper-entry.ts";

/** What lstat says of the file at `at`, as a candidate; `undefined` for sockets and overlayfs's whiteouts. */
export function describeFile(path: BytePath, stat: BigIntStats, at: BytePath): UpperEntry | undefined {
  const type = typeOf(stat);
  if (type === undefined) return undefined;
  const device = Number(stat.rdev);
  return {
    path,
    type,
    mode: Number(stat.mode & 0o7777n),
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    mtime: Number(stat.mtimeNs / 1_000_000_000n - (stat.mtimeNs % 1_000_000_000n < 0n ? 1n : 0n)),
    size: type === "file" ? Number(stat.size) : 0,
    ...(type === "symlink" ? { target: readlinkSync(hostPath(at), { encoding: "latin1" }) as BytePath } : {}),
    ...(type === "char" || type === "block" ? { major: majorOf(device), minor: minorOf(device) } : {}),
    ...(type !== "directory" && stat.nlink > 1n ? { inode: String(stat.ino) } : {}),
  };
}

function typeOf(stat: BigIntStats): UpperEntry["type"] | undefined {
  if (stat.isDirectory()) return "directory";
  if (stat.isFile()) return "file";
  if (stat.isSymbolicLink()) return "symlink";
  if (stat.isFIFO()) return "fifo";
  if (stat.isBlockDevice()) return "block";
  // 0/0 is overlayfs's whiteout, which the merged names tell of
  if (stat.isCharacterDevice()) return stat.rdev === 0n ? undefined : "char";
  return undefined;
}

/** As glibc's gnu_dev_major and gnu_dev_minor, for the 32 bits Linux uses. */
function majorOf(device: number): number {
  return (device >>> 8) & 0xfff;
}
function minorOf(device: number): number {
  return ((device & 0xff) | ((device >>> 12) & 0xff_ff00)) >>> 0;
}
