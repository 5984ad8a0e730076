import { chmodSync, lstatSync, utimesSync } from "node:fs";

/** Adds or removes a name of a directory (host path), whose times stay, and whose mode does not forbid it. */
export function alterDirectory(directory: string | Buffer, action: () => void): void {
  const { atimeNs, mtimeNs, mode } = lstatSync(directory, { bigint: true });
  const isClosed = process.geteuid?.() !== 0 && (mode & 0o300n) !== 0o300n;
  if (isClosed) chmodSync(directory, Number(mode & 0o7777n) | 0o300);
  action();
  if (isClosed) chmodSync(directory, Number(mode & 0o7777n));
  utimesSync(directory, new Date(Number(atimeNs / 1_000_000n)), new Date(Number(mtimeNs / 1_000_000n)));
}
