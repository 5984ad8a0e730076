import { lstatSync, renameSync, type Stats } from "node:fs";
import { type BytePath, parentPath } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import { createProgram, type Ids, launcherArch, readXattrs, writeXattrs, runProgram } from "@varve/sandbox";
import { bytesOfHostPath, hostPath } from "../../host-path.ts";
import { alterDirectory } from "./alter-directory.ts";
import { completeCopy, copyFile, copySymlink } from "./copy-directory.ts";
import type { FileRecord } from "./file-record.ts";
import { below, isRealDirectory, statBelow } from "./real-path.ts";

/** Where {@link separateLinks} works. */
export interface LinkedRoot {
  /** Host path. */
  readonly root: BytePath;
  /** True of the root, and again when it is done. */
  readonly record: FileRecord;
  /** The step's own, on the file system of the root. */
  readonly directory: string;
  readonly launcher: string;
  readonly ids: Ids;
  readonly signal: AbortSignal;
}

/** Bytes of files that may be there twice. */
const COPIED_AT_MOST = 1 << 30;
const AT_FDCWD = -100;

/**
 * Makes files of their own of the names that files of earlier layers have: as on an overlay, which copies what is written to, a step that
 * changes one name leaves the others as they are. The tree still knows that they were one. `false`: there were more than may be copied,
 * and the largest files keep their names.
 */
export async function separateLinks({ root, record, directory, launcher, ids, signal }: LinkedRoot): Promise<boolean> {
  const copies: { readonly path: BytePath; readonly first: BytePath; readonly stat: Stats }[] = [];
  let bytes = 0;
  const files = filesWithNames(root, record.linked());
  for (const { stat, names } of files) {
    // a name that is not in the root, but in a cache, keeps the file
    const others = stat.nlink > names.length ? names : names.slice(1);
    bytes += stat.size * others.length;
    if (bytes > COPIED_AT_MOST) break;
    copies.push(...others.map((path) => ({ path, first: names[0] ?? path, stat })));
  }
  if (copies.length === 0) return bytes === 0;
  const at = (path: BytePath): BytePath => below(root, path);
  const xattrs = await readXattrs(
    launcher,
    copies.flatMap(({ path, stat }) => (stat.isFile() ? [{ path: at(path), type: "file" }] : [])),
  );
  const fresh = bytesOfHostPath(`${directory}/separate`);
  for (const { path, stat } of copies) {
    signal.throwIfAborted();
    if (stat.isFile()) copyFile(at(path), fresh, stat, ids);
    else if (stat.isSymbolicLink()) copySymlink(at(path), fresh, stat, ids);
    else await copyNode(launcher, fresh, stat, ids);
    alterDirectory(hostPath(at(parentPath(path))), () => renameSync(hostPath(fresh), hostPath(at(path))));
  }
  await writeXattrs(
    launcher,
    [...xattrs].map(([path, found]) => ({ path, xattrs: found })),
  );
  for (const { path, first } of copies) for (const changed of [path, first, parentPath(path)]) record.set(changed, lstatSync(hostPath(at(changed))));
  return bytes <= COPIED_AT_MOST;
}

/** As mknod(2): a fifo or device. */
async function copyNode(launcher: string, target: BytePath, stat: Stats, ids: Ids): Promise<void> {
  const program = createProgram(launcherArch());
  program.call("make a node", "mknodat", AT_FDCWD, program.string(target), stat.mode, stat.rdev);
  const report = await runProgram(launcher, program.finish());
  if (report.failure !== undefined)
    throw new VarveError("SNAPSHOT_APPLY_FAILED", `cannot ${report.failure.label} of an earlier step again: ${report.failure.code}`);
  completeCopy(target, stat, ids);
}

/** Files that have several names, smallest first, and their names in the root. */
function filesWithNames(root: BytePath, paths: Iterable<BytePath>): { readonly stat: Stats; readonly names: BytePath[] }[] {
  const files = new Map<number, { readonly stat: Stats; readonly names: BytePath[] }>();
  for (const path of paths) {
    // a layer that came since may have put something else there
    const stat = isRealDirectory(root, parentPath(path)) ? statBelow(root, path) : undefined;
    if (stat === undefined || stat.isDirectory() || stat.isSocket() || stat.nlink < 2) continue;
    const known = files.get(stat.ino);
    if (known === undefined) files.set(stat.ino, { stat, names: [path] });
    else known.names.push(path);
  }
  return [...files.values()].sort((a, b) => a.stat.size - b.stat.size);
}
