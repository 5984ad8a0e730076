import { type BigIntStats, closeSync, constants, lstatSync, openSync, readdirSync, readlinkSync } from "node:fs";
import { type BytePath, compareBytes, displayPath, joinPath } from "@varve/bytes";
import type { IgnoreMatcher } from "@varve/dockerfile";
import { VarveError } from "@varve/errors";
import { createTreeBuilder, type Entry, type FileTree, type TreeBuilder } from "@varve/layer";
import type { IOOptions } from "@varve/oci";
import { deviceNumbers, diskStat, wholeSeconds } from "./disk-stat.ts";

/** How a directory is listed. */
export interface WalkOptions extends IOOptions {
  readonly ignore?: IgnoreMatcher | undefined;
  /** Called for each file that is kept, before it enters the tree: git checkouts normalise modes and times. */
  readonly adjust?: (entry: Omit<Entry, "node">) => Omit<Entry, "node">;
}

/** hardening.md: a component of a path is at most 255 bytes by the kernel; depth is ours. */
const MAX_DEPTH = 1024;
const DIRECTORY_FLAGS = constants.O_RDONLY | (constants.O_DIRECTORY ?? 0) | (constants.O_NOFOLLOW ?? 0);
// elsewhere than on Linux there is no way to name a file below an open directory; the check at reading time still holds
const BY_DESCRIPTOR = process.platform === "linux";
/** How many entries are listed before other work gets its turn. */
const TURN = 2000;

interface Walk {
  readonly root: string;
  readonly builder: TreeBuilder;
  readonly options: WalkOptions;
  /** First path of each file with more than one link, by `device:inode`. */
  readonly links: Map<string, BytePath>;
  listed: number;
}

/** A directory that is open, or (not on Linux) just named. */
interface OpenDirectory {
  readonly path: BytePath;
  /** Latin1; a name appended to it can be given to the kernel. */
  readonly access: string;
  readonly fd: number | undefined;
}

/**
 * Lists a directory as a tree: no symlink is followed, sockets are left out, owners become 0:0, hardlinks are found by inode.
 * On Linux each directory is opened below its open parent, so one that is swapped for a symlink meanwhile isn't entered.
 * `root` is absolute and may itself be a symlink. Throws CONTEXT_UNREADABLE.
 */
export async function walkDirectory(root: string, options: WalkOptions = {}): Promise<FileTree> {
  const walk: Walk = { root: Buffer.from(root).toString("latin1").replace(/\/+$/, ""), builder: createTreeBuilder(), options, links: new Map(), listed: 0 };
  const top = openDirectory(walk, "" as BytePath, `${walk.root}/`, DIRECTORY_FLAGS & ~(constants.O_NOFOLLOW ?? 0));
  try {
    await listDirectory(walk, top, [], 0);
  } finally {
    if (top.fd !== undefined) closeSync(top.fd);
  }
  return walk.builder.finish();
}

/** `pending`: excluded directories above, which enter the tree only when something below them does. */
async function listDirectory(walk: Walk, directory: OpenDirectory, pending: Omit<Entry, "node">[], depth: number): Promise<void> {
  if (depth > MAX_DEPTH) throw new VarveError("CONTEXT_UNREADABLE", `${displayPath(directory.path)} is nested more than ${MAX_DEPTH} directories deep`);
  const names = listNames(directory);
  for (const name of names) {
    if (++walk.listed % TURN === 0) {
      await new Promise((resolve) => setImmediate(resolve));
      walk.options.signal?.throwIfAborted();
    }
    const path = joinPath(directory.path, name);
    const ignored = walk.options.ignore?.matches(path) ?? false;
    if (ignored && walk.options.ignore?.mayDescend(path) !== true) continue;
    const access = `${directory.access}${name}`;
    const stats = statEntry(access, path);
    if (stats === undefined) continue;
    if (!stats.isDirectory()) {
      if (ignored) continue;
      addEntry(walk, path, access, stats, pending);
      continue;
    }
    const entry = describe(walk, path, access, stats);
    if (entry === undefined) continue;
    const below = ignored ? [...pending, entry] : [];
    if (!ignored) {
      flush(walk, pending);
      walk.builder.set(adjusted(walk, entry));
    }
    await enter(walk, { path, access }, below, depth);
    // once a child has brought its parents into the tree they are no longer pending here
    if (ignored && below.length === 0) pending.length = 0;
  }
}

async function enter(
  walk: Walk,
  directory: { readonly path: BytePath; readonly access: string },
  pending: Omit<Entry, "node">[],
  depth: number,
): Promise<void> {
  let opened: OpenDirectory;
  try {
    opened = openDirectory(walk, directory.path, directory.access, DIRECTORY_FLAGS);
  } catch (error) {
    // it went away, or something else took its place, after it was listed
    if (isGone((error as VarveError).cause)) return;
    throw error;
  }
  try {
    await listDirectory(walk, opened, pending, depth + 1);
  } finally {
    if (opened.fd !== undefined) closeSync(opened.fd);
  }
}

function addEntry(walk: Walk, path: BytePath, access: string, stats: BigIntStats, pending: Omit<Entry, "node">[]): void {
  const entry = describe(walk, path, access, stats);
  if (entry === undefined) return;
  flush(walk, pending);
  const key = stats.nlink > 1n && stats.isFile() ? `${stats.dev}:${stats.ino}` : undefined;
  const first = key === undefined ? undefined : walk.links.get(key);
  if (first !== undefined) {
    walk.builder.link(path, first);
    return;
  }
  if (key !== undefined) walk.links.set(key, path);
  walk.builder.set(adjusted(walk, entry));
}

function flush(walk: Walk, pending: Omit<Entry, "node">[]): void {
  for (const entry of pending) walk.builder.set(adjusted(walk, entry));
  pending.length = 0;
}

function adjusted(walk: Walk, entry: Omit<Entry, "node">): Omit<Entry, "node"> {
  return walk.options.adjust?.(entry) ?? entry;
}

/** `undefined` for what no image can hold (sockets). */
function describe(walk: Walk, path: BytePath, access: string, stats: BigIntStats): Omit<Entry, "node"> | undefined {
  const base = { path, mode: Number(stats.mode & 0o7777n), uid: 0, gid: 0, mtime: wholeSeconds(stats.mtimeNs), size: 0 };
  if (stats.isFile()) {
    const size = Number(stats.size);
    return { ...base, type: "file", size, content: { kind: "disk", path: `${walk.root}/${path}` as BytePath, size, stat: diskStat(stats) } };
  }
  if (stats.isDirectory()) return { ...base, type: "directory" };
  if (stats.isSymbolicLink()) {
    const target = readlinkSync(Buffer.from(access, "latin1"), { encoding: "buffer" });
    return { ...base, type: "symlink", mode: 0o777, linkTarget: target.toString("latin1") as BytePath };
  }
  if (stats.isFIFO()) return { ...base, type: "fifo" };
  if (stats.isCharacterDevice()) return { ...base, type: "char", device: deviceNumbers(stats.rdev) };
  if (stats.isBlockDevice()) return { ...base, type: "block", device: deviceNumbers(stats.rdev) };
  return undefined;
}

function openDirectory(walk: Walk, path: BytePath, access: string, flags: number): OpenDirectory {
  if (!BY_DESCRIPTOR) return { path, access: access.endsWith("/") ? access : `${access}/`, fd: undefined };
  try {
    const fd = openSync(Buffer.from(access, "latin1"), flags);
    return { path, access: `/proc/self/fd/${fd}/`, fd };
  } catch (cause) {
    throw unreadable(path === "" ? (walk.root as BytePath) : path, cause);
  }
}

function listNames(directory: OpenDirectory): BytePath[] {
  try {
    const names = readdirSync(Buffer.from(directory.access, "latin1"), { encoding: "buffer" });
    return names.map((name) => name.toString("latin1") as BytePath).toSorted(compareBytes);
  } catch (cause) {
    throw unreadable(directory.path, cause);
  }
}

function statEntry(access: string, path: BytePath): BigIntStats | undefined {
  try {
    return lstatSync(Buffer.from(access, "latin1"), { bigint: true, throwIfNoEntry: false });
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

function isGone(cause: unknown): boolean {
  const code = (cause as NodeJS.ErrnoException | undefined)?.code;
  return code === "ENOENT" || code === "ELOOP" || code === "ENOTDIR";
}

function unreadable(path: BytePath, cause: unknown): VarveError {
  return new VarveError("CONTEXT_UNREADABLE", `cannot read ${path === "" ? "the context" : displayPath(path)}`, {
    cause,
    hint: cause instanceof Error ? cause.message : undefined,
  });
}
