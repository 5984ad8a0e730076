import { chmodSync, copyFileSync, constants, lchownSync, linkSync, lstatSync, lutimesSync, mkdirSync, readdirSync, readlinkSync, symlinkSync } from "node:fs";
import type { Stats } from "node:fs";
import type { BytePath } from "@varve/bytes";
import type { Ids } from "@varve/sandbox";
import { hostPath } from "../../host-path.ts";

/** What {@link copyDirectory} is told. */
export interface CopyOptions {
  readonly ids: Ids;
  readonly signal: AbortSignal;
}

/**
 * Copies a directory (host paths) to where nothing is: files, directories and symlinks with modes, times, hardlinks and, unless there is one
 * id, owners. No symlink is followed. Sockets, fifos, devices and extended attributes are left out.
 */
export async function copyDirectory(from: BytePath, to: BytePath, options: CopyOptions): Promise<void> {
  const directories: { readonly path: BytePath; readonly stat: Stats }[] = [];
  const copied = new Map<number, BytePath>();
  const pending: BytePath[] = ["" as BytePath];
  let slice = performance.now();
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    const [source, target] = [`${from}${path}` as BytePath, `${to}${path}` as BytePath];
    const stat = lstatSync(hostPath(source));
    const first = copied.get(stat.ino);
    if (stat.isDirectory()) {
      mkdirSync(hostPath(target), { mode: 0o700 });
      directories.push({ path: target, stat });
      const names = readable(source, stat, 0o500, () => readdirSync(hostPath(source), { encoding: "latin1" }));
      pending.push(...names.map((name) => `${path}/${name}` as BytePath));
    } else if (first !== undefined) linkSync(hostPath(first), hostPath(target));
    else if (stat.isFile()) {
      copyFile(source, target, stat, options.ids);
      if (stat.nlink > 1) copied.set(stat.ino, target);
    } else if (stat.isSymbolicLink()) copySymlink(source, target, stat, options.ids);
    if (performance.now() - slice > 10) {
      options.signal.throwIfAborted();
      await new Promise((resolve) => setImmediate(resolve));
      slice = performance.now();
    }
  }
  // only root can throw away what is in a directory that is closed to its owner
  const open = process.geteuid?.() === 0 ? 0 : 0o700;
  for (const { path, stat } of directories.toReversed()) completeCopy(path, stat, options.ids, open);
}

/** Copies a file's content, owner, mode and times, sharing its blocks where the file system can. */
export function copyFile(source: BytePath, target: BytePath, stat: Stats, ids: Ids): void {
  readable(source, stat, 0o400, () => copyFileSync(hostPath(source), hostPath(target), constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE));
  completeCopy(target, stat, ids);
}

/** Copies a symlink with its owner and times. */
export function copySymlink(source: BytePath, target: BytePath, stat: Stats, ids: Ids): void {
  symlinkSync(readlinkSync(hostPath(source), { encoding: "buffer" }), hostPath(target));
  if (ids !== "one") lchownSync(hostPath(target), stat.uid, stat.gid);
  lutimesSync(hostPath(target), stat.atime, stat.mtime);
}

/** Owner, mode and times of what was copied, with more rights for its owner (`open`). chown clears set-id bits, so the mode follows it. */
export function completeCopy(path: BytePath, stat: Stats, ids: Ids, open = 0): void {
  if (ids !== "one") lchownSync(hostPath(path), stat.uid, stat.gid);
  chmodSync(hostPath(path), (stat.mode & 0o7777) | open);
  lutimesSync(hostPath(path), stat.atime, stat.mtime);
}

/** Does something to a file whose mode may keep its owner out, which only root may ignore. */
function readable<T>(path: BytePath, { mode }: Stats, bits: number, action: () => T): T {
  const isClosed = process.geteuid?.() !== 0 && (mode & bits) !== bits;
  if (isClosed) chmodSync(hostPath(path), (mode & 0o7777) | bits);
  try {
    return action();
  } finally {
    if (isClosed) chmodSync(hostPath(path), mode & 0o7777);
  }
}
