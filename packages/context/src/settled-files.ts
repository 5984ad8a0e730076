import { type BigIntStats, closeSync, constants, openSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { type BytePath, displayPath, parentPath, pathComponents } from "@varve/bytes";
import type { ContentRef, Entry, FileTree } from "@varve/layer";
import type { IOOptions } from "@varve/oci";
import type { OwningReader } from "./context.ts";
import { wholeSeconds } from "./disk-stat.ts";
import { xattrsOf } from "./listed-xattrs.ts";
import { SettledTree } from "./settled-tree.ts";
import { createSpool, type Spool } from "./spool.ts";

/**
 * Files that had changed when they were read. Each is copied once, as it is then; from there on the copy is what the context has at its path,
 * so that a step's key and its layer are of the same bytes however often the file changes.
 */
export interface SettledFiles extends AsyncDisposable {
  /** Says that the file at a path of the context was not as listed; the error is about to be thrown. */
  note(path: BytePath, error: Error): void;
  /**
   * After an error: copies the file it is about (or one that it is caused by), unless that was done. `false` when it is about none, or
   * about one file too many.
   */
  settle(error: unknown, options?: IOOptions): Promise<boolean>;
  /** Whether anything was copied or found gone. */
  readonly some: boolean;
  tree(base: FileTree): FileTree;
  /** Of the copies. */
  readonly reader: OwningReader;
}

/** How {@link createSettledFiles} finds files. */
export interface SettledFilesOptions {
  /** Host path of the directory, in bytes, without a slash at its end. */
  readonly root: string;
  /** The tree as listed. */
  readonly listed: () => Promise<FileTree>;
  /** Where copies are kept; the temporary directory by default. */
  readonly directory?: string | undefined;
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** Ours: a step is tried again for each, and a directory that changes all over has no state worth an image. */
export const SETTLED_FILES_LIMIT = 100;

const PIECE = 256 * 1024;
const BELOW = constants.O_RDONLY | (constants.O_DIRECTORY ?? 0) | (constants.O_NOFOLLOW ?? 0);
const FILE = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);
const BY_DESCRIPTOR = process.platform === "linux";

/** Creates empty {@link SettledFiles}. */
export function createSettledFiles(options: SettledFilesOptions): SettledFiles {
  const noted = new WeakMap<Error, BytePath>();
  const entries = new Map<BytePath, Entry | undefined>();
  const settling = new Map<BytePath, Promise<boolean>>();
  const spools: Spool[] = [];

  const settleOne = async (path: BytePath, io: IOOptions | undefined): Promise<boolean> => {
    const listed = (await options.listed()).lookup(path);
    if (listed === undefined) return false;
    const spool = await createSpool(options.directory ?? tmpdir());
    spools.push(spool);
    const found = await copyFile(options.root, path, spool, io);
    const shown = displayPath(path);
    if (found === undefined) {
      entries.set(path, undefined);
      options.onWarning?.(`${shown} went away while the build was reading the context, and is left out`);
      return true;
    }
    const mode = Number(found.mode & 0o7777n);
    const content = spool.ref(0, spool.size);
    // past all nodes of a listing, which are its rows
    const node = Number.MAX_SAFE_INTEGER - entries.size;
    const { xattrs: _xattrs, ...rest } = listed;
    const state = { device: found.dev, inode: found.ino, ctimeNs: found.ctimeNs };
    const xattrs = await xattrsOf(`${options.root}/${path}` as BytePath, state, options.directory);
    const later = { ...rest, mode, mtime: wholeSeconds(found.mtimeNs), size: spool.size, content, node };
    entries.set(path, { ...later, ...(xattrs === undefined ? {} : { xattrs }) });
    options.onWarning?.(`${shown} changed while the build was reading the context, and is taken as it was when it was read (${spool.size} bytes)`);
    return true;
  };

  return {
    note: (path, error) => void noted.set(error, path),
    async settle(error, io) {
      const path = notedPath(noted, error);
      if (path === undefined) return false;
      if (!settling.has(path) && settling.size >= SETTLED_FILES_LIMIT) return false;
      const work = settling.get(path) ?? settleOne(path, io);
      settling.set(path, work);
      return work;
    },
    get some() {
      return entries.size > 0;
    },
    tree: (base) => (entries.size === 0 ? base : new SettledTree(base, new Map(entries))),
    reader: {
      owns: (ref) => spools.some((spool) => spool.reader.owns(ref)),
      open: (ref, io) => ownerOf(spools, ref).open(ref, io),
      digest: (ref, io) => ownerOf(spools, ref).digest(ref, io),
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(spools.map((spool) => spool[Symbol.asyncDispose]()));
    },
  };
}

function notedPath(noted: WeakMap<Error, BytePath>, error: unknown): BytePath | undefined {
  for (let at = error; at instanceof Error; at = at.cause) {
    const path = noted.get(at);
    if (path !== undefined) return path;
  }
  return undefined;
}

function ownerOf(spools: readonly Spool[], ref: ContentRef): OwningReader {
  const owner = spools.find((spool) => spool.reader.owns(ref));
  if (owner === undefined) throw new TypeError("no file was copied with these contents");
  return owner.reader;
}

/** Copies as much as the file has when it is opened, less when it shrinks. `undefined` when there is no file any more. */
async function copyFile(root: string, path: BytePath, spool: Spool, io: IOOptions | undefined): Promise<BigIntStats | undefined> {
  const file = await openBelow(root, path);
  if (file === undefined) return undefined;
  try {
    const stats = await file.stat({ bigint: true });
    if (!stats.isFile()) return undefined;
    for await (const piece of spool.keep(readUpTo(file, Number(stats.size), io))) void piece;
    return stats;
  } finally {
    await file.close();
  }
}

async function* readUpTo(file: FileHandle, size: number, io: IOOptions | undefined): AsyncGenerator<Uint8Array, void, undefined> {
  for (let left = size; left > 0;) {
    io?.signal?.throwIfAborted();
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(Math.min(PIECE, left)), 0, Math.min(PIECE, left), null);
    if (bytesRead === 0) return;
    left -= bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

/** By open directories, so that one that became a symlink doesn't lead elsewhere. */
async function openBelow(root: string, path: BytePath): Promise<FileHandle | undefined> {
  const opened: number[] = [];
  try {
    let access = `${root}/`;
    if (BY_DESCRIPTOR) {
      for (const name of pathComponents(parentPath(path))) {
        const fd = openSync(Buffer.from(`${access}${name}`, "latin1"), BELOW);
        opened.push(fd);
        access = `/proc/self/fd/${fd}/`;
      }
    }
    const name = BY_DESCRIPTOR ? (pathComponents(path).at(-1) ?? "") : path;
    return await open(Buffer.from(`${access}${name}`, "latin1"), FILE);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ELOOP" || code === "ENOTDIR" || code === "ENXIO") return undefined;
    throw error;
  } finally {
    for (const fd of opened) closeSync(fd);
  }
}
