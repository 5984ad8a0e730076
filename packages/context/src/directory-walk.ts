import { type BigIntStats, closeSync, constants, lstatSync, openSync, readdirSync, readlinkSync, statSync } from "node:fs";
import { type BytePath, compareBytes, displayPath, joinPath, ROOT } from "@varve/bytes";
import type { IgnoreMatcher } from "@varve/dockerfile";
import { VarveError } from "@varve/errors";
import type { FileTree } from "@varve/layer";
import type { IOOptions } from "@varve/oci";
import { entryType, isDevice } from "./disk-stat.ts";
import { createListing, type ListedEntry, type ListedFile, type Listing } from "./listing.ts";

/** How a directory is listed. */
export interface ListOptions extends IOOptions {
  readonly ignore?: IgnoreMatcher | undefined;
  /** Host paths of directories that are not part of it wherever they lie: the store a build writes to. */
  readonly hidden?: readonly string[] | undefined;
  /** Told what `ignore` leaves out; of a directory that isn't entered nothing but itself. */
  readonly onIgnored?: ((path: BytePath) => void) | undefined;
}

/** How a directory becomes a tree. */
export interface WalkOptions extends ListOptions {
  /** Called for each file that is kept, before it enters the tree: git checkouts normalise modes and times. */
  readonly adjust?: ((entry: ListedEntry) => ListedEntry) | undefined;
}

/** Ours; hardening.md. */
export const MAX_DEPTH = 1024;
const DIRECTORY_FLAGS = constants.O_RDONLY | (constants.O_DIRECTORY ?? 0) | (constants.O_NOFOLLOW ?? 0);
// elsewhere than on Linux there is no way to name a file below an open directory; the check at reading time still holds
const BY_DESCRIPTOR = process.platform === "linux";
/** How many entries are listed before other work gets its turn. */
const TURN = 2000;
// oxlint-disable-next-line no-control-regex -- the ASCII test is the point
const ASCII = /^[\x00-\x7f]*$/;

interface Walk {
  readonly listing: Listing;
  /** `device:inode` of hidden directories. */
  readonly hidden: ReadonlySet<string>;
  readonly options: ListOptions;
  seen: number;
}

/** A directory that is open, or (not on Linux) just named. */
interface OpenDirectory {
  readonly path: BytePath;
  /** Latin1; a name appended to it can be given to the kernel. */
  readonly access: string;
  readonly fd: number | undefined;
}

/** A directory that is left out, and is listed after all when something below it is. */
interface PendingDirectory {
  readonly path: BytePath;
  readonly stats: BigIntStats;
}

/** A directory as a tree; see {@link listDirectory}. */
export async function walkDirectory(root: string, options: WalkOptions = {}): Promise<FileTree> {
  const listing = await listDirectory(root, options);
  return listing.tree(rootBytes(root), options.adjust);
}

/** The root's path as bytes, without a slash at its end. */
export function rootBytes(root: string): string {
  return Buffer.from(root).toString("latin1").replace(/\/+$/, "");
}

/**
 * Lists a directory: no symlink is followed, sockets become empty files. On Linux each directory is opened below its open parent, so one that is
 * swapped for a symlink meanwhile isn't entered. `root` is absolute and may itself be a symlink. Throws CONTEXT_UNREADABLE.
 */
export async function listDirectory(root: string, options: ListOptions = {}): Promise<Listing> {
  const walk: Walk = { listing: createListing(), hidden: identities(options.hidden ?? []), options, seen: 0 };
  const top = openDirectory(ROOT, `${rootBytes(root)}/`, DIRECTORY_FLAGS & ~(constants.O_NOFOLLOW ?? 0));
  try {
    await listBelow(walk, top, [], 0);
  } finally {
    if (top.fd !== undefined) closeSync(top.fd);
  }
  return walk.listing;
}

async function listBelow(walk: Walk, directory: OpenDirectory, pending: PendingDirectory[], depth: number): Promise<void> {
  if (depth > MAX_DEPTH) throw new VarveError("CONTEXT_UNREADABLE", `${displayPath(directory.path)} is nested more than ${MAX_DEPTH} directories deep`);
  const { ignore, signal, onIgnored } = walk.options;
  for (const name of listNames(directory)) {
    if (++walk.seen % TURN === 0) {
      await new Promise((resolve) => setImmediate(resolve));
      signal?.throwIfAborted();
    }
    const path = joinPath(directory.path, name);
    const ignored = ignore?.matches(path) ?? false;
    if (ignored && ignore?.mayDescend(path) !== true) {
      onIgnored?.(path);
      continue;
    }
    const access = `${directory.access}${name}`;
    const stats = statEntry(access, path);
    const type = stats === undefined ? undefined : entryType(Number(stats.mode));
    if (ignored && type !== "directory") onIgnored?.(path);
    if (stats === undefined || type === undefined || (ignored && type !== "directory")) continue;
    if (type === "directory" && walk.hidden.has(identity(stats))) continue;
    const below: PendingDirectory[] = ignored ? [...pending, { path, stats }] : [];
    if (!ignored) {
      for (const parent of pending.splice(0)) walk.listing.add(listedFile(parent.path, parent.stats));
      walk.listing.add(listedFile(path, stats, type === "symlink" ? readTarget(access, path) : undefined));
    }
    if (type === "directory") await enter(walk, { path, access }, below, depth);
    // once a child has brought its parents in they are no longer pending here
    if (ignored && below.length === 0) pending.length = 0;
  }
}

async function enter(walk: Walk, directory: { readonly path: BytePath; readonly access: string }, pending: PendingDirectory[], depth: number): Promise<void> {
  let opened: OpenDirectory;
  try {
    opened = openDirectory(directory.path, directory.access, DIRECTORY_FLAGS);
  } catch (error) {
    // it went away, or something else took its place, after it was listed
    if (isGone((error as VarveError).cause)) return;
    throw error;
  }
  try {
    await listBelow(walk, opened, pending, depth + 1);
  } finally {
    if (opened.fd !== undefined) closeSync(opened.fd);
  }
}

function openDirectory(path: BytePath, access: string, flags: number): OpenDirectory {
  if (!BY_DESCRIPTOR) return { path, access: access.endsWith("/") ? access : `${access}/`, fd: undefined };
  try {
    const fd = openSync(kernelPath(access), flags);
    return { path, access: `/proc/self/fd/${fd}/`, fd };
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

function listNames(directory: OpenDirectory): BytePath[] {
  try {
    // latin1 keeps every byte
    const names = readdirSync(kernelPath(directory.access), { encoding: "latin1" }) as BytePath[];
    return names.sort(compareBytes);
  } catch (cause) {
    throw unreadable(directory.path, cause);
  }
}

function statEntry(access: string, path: BytePath): BigIntStats | undefined {
  try {
    return lstatSync(kernelPath(access), { bigint: true, throwIfNoEntry: false });
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

function listedFile(path: BytePath, stats: BigIntStats, linkTarget?: BytePath): ListedFile {
  const { dev: device, ino: inode, mtimeNs, ctimeNs, rdev } = stats;
  const mode = Number(stats.mode);
  const file = { path, device, inode, size: Number(stats.size), mode, links: Number(stats.nlink), mtimeNs, ctimeNs, linkTarget };
  return isDevice(mode) ? { ...file, rdev } : file;
}

function readTarget(access: string, path: BytePath): BytePath {
  try {
    return readlinkSync(kernelPath(access), { encoding: "latin1" }) as BytePath;
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

/** Strings are given to the kernel as UTF-8, so bytes above 0x7f need a buffer; making one for every name would cost more than the call. */
function kernelPath(access: string): string | Buffer {
  return ASCII.test(access) ? access : Buffer.from(access, "latin1");
}

/** `device:inode` of directories that are there. */
export function identities(paths: readonly string[]): ReadonlySet<string> {
  const found = paths.map((path) => statSync(path, { bigint: true, throwIfNoEntry: false }));
  return new Set(found.flatMap((stats) => (stats === undefined ? [] : [identity(stats)])));
}

function identity(stats: BigIntStats): string {
  return `${stats.dev}:${stats.ino}`;
}

function isGone(cause: unknown): boolean {
  const code = (cause as NodeJS.ErrnoException | undefined)?.code;
  return code === "ENOENT" || code === "ELOOP" || code === "ENOTDIR";
}

function unreadable(path: BytePath, cause: unknown): VarveError {
  return new VarveError("CONTEXT_UNREADABLE", `cannot read ${path === ROOT ? "the context" : displayPath(path)}`, {
    cause,
    hint: cause instanceof Error ? cause.message : undefined,
  });
}
