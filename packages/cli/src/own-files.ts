import { closeSync, constants, fstatSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/**
 * Reads what {@link keepOwn} wrote; `undefined` when it is not there, or not ours: the folder and the file must belong to this user, and nobody else may be
 * able to write to them.
 */
export function readOwn(folder: string, name: string): Buffer | undefined {
  let fd: number | undefined;
  try {
    if (!isOurs(statSync(folder))) return undefined;
    fd = openSync(join(folder, name), constants.O_RDONLY | constants.O_NOFOLLOW);
    return isOurs(fstatSync(fd)) ? readFileSync(fd) : undefined;
  } catch {
    return undefined;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** Keeps a file for later runs, and of its folder the newest `kept` files. Nothing is synced: a torn write is for the reader to tell. Throws what Node throws. */
export function keepOwn(folder: string, name: string, bytes: Uint8Array, kept: number): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (!isOurs(statSync(folder))) return;
  const draft = join(folder, `${name}.${process.pid}.${process.hrtime.bigint()}`);
  writeFileSync(draft, bytes, { flag: "wx", mode: 0o600 });
  renameSync(draft, join(folder, name));
  const times = readdirSync(folder).map((file) => ({ file, time: statSync(join(folder, file)).mtimeMs }));
  for (const { file } of times.toSorted((a, b) => b.time - a.time).slice(kept)) rmSync(join(folder, file));
}

function isOurs({ uid, mode }: { readonly uid: number; readonly mode: number }): boolean {
  return uid === process.geteuid?.() && (mode & 0o022) === 0;
}
