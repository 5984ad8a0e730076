import { type BigIntStats, lstatSync, readdirSync, readlinkSync } from "node:fs";
import { type BytePath, compareBytes } from "@varve/bytes";
import { bytesOfHostPath, hostPath } from "../host-path.ts";
import type { UpperEntry } from "./upper-entry.ts";

/**
 * Everything in an upper directory, parents first, siblings by bytes; sockets are left out. A directory that also is in the merged view
 * carries that view's names: a name of the parent tree that is not among them is gone, whether a whiteout or an opaque mark
 * says so, and no mark has to be read.
 */
export async function* walkUpper(upper: string, merged: string, signal?: AbortSignal): AsyncGenerator<UpperEntry, void, undefined> {
  const roots = { upper: bytesOfHostPath(upper), merged: bytesOfHostPath(merged) };
  const pending: BytePath[] = ["" as BytePath];
  let slice = performance.now();
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    const at = below(roots.upper, path);
    const entry = describe(path, at, lstatSync(hostPath(at), { bigint: true }));
    if (entry === undefined) continue;
    if (entry.type === "directory") {
      yield { ...entry, names: list(below(roots.merged, path)) };
      const children = list(at).toSorted(compareBytes).toReversed();
      for (const name of children) pending.push((path === "" ? name : `${path}/${name}`) as BytePath);
    } else yield entry;
    if (performance.now() - slice > 10) {
      signal?.throwIfAborted();
      await new Promise((resolve) => setImmediate(resolve));
      slice = performance.now();
    }
  }
}

function below(root: BytePath, path: BytePath): BytePath {
  return (path === "" ? root : `${root}/${path}`) as BytePath;
}

function list(directory: BytePath): BytePath[] {
  return readdirSync(hostPath(directory), { encoding: "latin1" }) as BytePath[];
}

function describe(path: BytePath, at: BytePath, stat: BigIntStats): UpperEntry | undefined {
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
