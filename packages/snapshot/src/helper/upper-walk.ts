import { type BigIntStats, lstatSync, readdirSync, readlinkSync } from "node:fs";
import { baseName, type BytePath, compareBytes, joinPath } from "@varve/bytes";
import { bytesOfHostPath, hostPath } from "../host-path.ts";
import type { UpperEntry } from "./upper-entry.ts";

/** What {@link walkUpper} walks. */
export interface UpperWalk {
  /** The upper directory. */
  readonly upper: string;
  /** The overlay's merged view. */
  readonly merged: string;
  /** Called for sockets, which no layer holds. */
  readonly onSocket: (path: BytePath) => void;
  readonly signal?: AbortSignal | undefined;
}

interface Found {
  readonly path: BytePath;
  readonly stat: BigIntStats;
}

/**
 * Everything in an upper directory, parents first, siblings by bytes; sockets are left out. A directory carries the names of the merged
 * view (sockets left out): a name of the parent tree that is not among them is gone, whether a whiteout or an opaque mark says so, and no
 * mark has to be read.
 */
export async function* walkUpper(walk: UpperWalk): AsyncGenerator<UpperEntry, void, undefined> {
  const upper = bytesOfHostPath(walk.upper);
  const merged = bytesOfHostPath(walk.merged);
  const pending: Found[] = [{ path: "" as BytePath, stat: statOf(upper) }];
  let slice = performance.now();
  for (let found = pending.pop(); found !== undefined; found = pending.pop()) {
    const entry = describe(found, below(upper, found.path));
    if (entry?.type === "directory") {
      const children = childrenOf(upper, found.path);
      const sockets = new Set(children.filter(({ stat }) => stat.isSocket()).map(({ path }) => baseName(path)));
      for (const name of sockets) walk.onSocket(joinPath(found.path, name));
      yield { ...entry, names: list(below(merged, found.path)).filter((name) => !sockets.has(name)) };
      pending.push(...children.toReversed());
    } else if (entry !== undefined) yield entry;
    if (performance.now() - slice > 10) {
      walk.signal?.throwIfAborted();
      await new Promise((resolve) => setImmediate(resolve));
      slice = performance.now();
    }
  }
}

function childrenOf(upper: BytePath, directory: BytePath): Found[] {
  const names = list(below(upper, directory)).sort(compareBytes);
  return names.map((name) => ({ path: joinPath(directory, name), stat: statOf(below(upper, joinPath(directory, name))) }));
}

function statOf(path: BytePath): BigIntStats {
  return lstatSync(hostPath(path), { bigint: true });
}

function below(root: BytePath, path: BytePath): BytePath {
  return (path === "" ? root : `${root}/${path}`) as BytePath;
}

function list(directory: BytePath): BytePath[] {
  return readdirSync(hostPath(directory), { encoding: "latin1" }) as BytePath[];
}

function describe({ path, stat }: Found, at: BytePath): UpperEntry | undefined {
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
