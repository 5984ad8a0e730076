import { constants } from "node:fs";
import { chmod, chown, lchown, link, lstat, lutimes, mkdir, open, readdir, rename, rm, stat, symlink, utimes } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { type BytePath, displayPath } from "@varve/bytes";
import { isVarveError, VarveError } from "@varve/errors";
import type { ContentReader, Entry, FileTree } from "@varve/layer";
import type { IOOptions } from "@varve/oci";
import { openLauncher, writeXattrs } from "@varve/sandbox";
import { partialPath } from "./partial-file.ts";

/** Options of {@link writeTreeDirectory}. */
export interface RootfsDirectoryOptions extends IOOptions {
  /** `current` (default): everything belongs to whoever writes, as with BuildKit's local exporter; `keep` needs root. */
  readonly owner?: "current" | "keep" | undefined;
}

/** What became of a tree on disk. */
export interface RootfsDirectoryResult {
  /** Entries that are there now, directories included. */
  readonly entries: number;
  /** Devices and FIFOs, which this cannot make, and files whose extended attributes could not be set: capabilities take a privilege. */
  readonly incomplete: readonly BytePath[];
}

/**
 * Writes a tree into a directory of the host. Everything is made in a fresh directory only we can enter, where no symlink lies before the
 * last file is written; then it moves into place. What is in `directory` already stays unless the tree has something of that name;
 * a symlink there is replaced, never followed. Throws IMAGE_OUTPUT.
 */
export async function writeTreeDirectory(
  tree: FileTree,
  reader: ContentReader,
  directory: string,
  options: RootfsDirectoryOptions = {},
): Promise<RootfsDirectoryResult> {
  try {
    await makeParents(directory);
    // inside, not beside: the directory may be a mount, and renames don't cross those
    const fresh = await partialPath(path.join(directory, "varve"));
    await mkdir(fresh, { mode: 0o700 });
    try {
      const incomplete = await writeEntries(tree, reader, fresh, options);
      await moveInto(pathOf(fresh), pathOf(directory));
      await finishDirectories(tree, directory, options);
      return { entries: tree.size - incomplete.filter((at) => !isPlain(tree.lookup(at))).length, incomplete };
    } finally {
      await rm(fresh, { recursive: true, force: true });
    }
  } catch (error) {
    options.signal?.throwIfAborted();
    if (isVarveError(error) || !isErrno(error)) throw error;
    throw new VarveError("IMAGE_OUTPUT", `cannot write to ${directory}: ${error.message}`, { cause: error });
  }
}

/** Node's own recursive mkdir never ends where the kernel answers ENOENT below a directory that exists (/proc). */
async function makeParents(directory: string): Promise<void> {
  const made = await mkdir(directory).then(
    () => true,
    async (error: unknown) => {
      if (isErrno(error) && error.code === "ENOENT") return false;
      if ((await stat(directory).catch(() => undefined))?.isDirectory() === true) return true;
      throw error;
    },
  );
  if (made) return;
  const parent = path.dirname(path.resolve(directory));
  if (parent !== path.resolve(directory)) await makeParents(parent);
  await mkdir(directory);
}

async function writeEntries(tree: FileTree, reader: ContentReader, root: string, options: RootfsDirectoryOptions): Promise<BytePath[]> {
  const files: Entry[] = [];
  const symlinks: Entry[] = [];
  const incomplete: BytePath[] = [];
  for (const entry of tree.walk()) {
    options.signal?.throwIfAborted();
    if (entry.type === "directory") await makeDirectory(root, entry);
    else if (entry.type === "file") files.push(entry);
    else if (entry.type === "symlink") symlinks.push(entry);
    else incomplete.push(entry.path);
  }
  await writeFiles(files, reader, root, options);
  // after the owner: a change of owner takes capabilities away
  incomplete.push(...(await setXattrs(tree, root)));
  for (const entry of symlinks) await makeSymlink(root, entry, options);
  return incomplete;
}

async function makeDirectory(root: string, entry: Entry): Promise<void> {
  if (entry.path !== "") await mkdir(pathOf(root, entry.path), { mode: 0o700 });
}

/** In the order in which they lie in their layers, so that each layer is read front to back. */
async function writeFiles(files: readonly Entry[], reader: ContentReader, root: string, options: RootfsDirectoryOptions): Promise<void> {
  const first = new Map<number, BytePath>();
  for (const entry of files.toSorted(compareContent)) {
    const twin = first.get(entry.node);
    if (twin !== undefined) {
      await link(pathOf(root, twin), pathOf(root, entry.path));
      continue;
    }
    first.set(entry.node, entry.path);
    await writeFile(entry, reader, root, options);
  }
}

async function writeFile(entry: Entry, reader: ContentReader, root: string, options: RootfsDirectoryOptions): Promise<void> {
  const handle = await open(pathOf(root, entry.path), constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600);
  try {
    if (entry.content !== undefined && entry.size > 0) {
      for await (const piece of await reader.open(entry.content, options)) await handle.writeFile(piece);
    }
    // owner before mode: a change of owner clears set-id bits
    if (options.owner === "keep") await handle.chown(entry.uid, entry.gid);
    await handle.chmod(entry.mode);
    await handle.utimes(entry.mtime, entry.mtime);
  } finally {
    await handle.close();
  }
}

/** Gives what could not be set. */
async function setXattrs(tree: FileTree, root: string): Promise<readonly BytePath[]> {
  const carriers = new Map<BytePath, Entry>();
  for (const entry of tree.walk()) if (entry.xattrs !== undefined && entry.path !== "" && isPlain(entry)) carriers.set(pathBytes(root, entry.path), entry);
  if (carriers.size === 0) return [];
  const targets = [...carriers].map(([at, { xattrs = new Map() }]) => ({ path: at, xattrs }));
  try {
    const launcher = await openLauncher([root, tmpdir()]);
    try {
      return (await writeXattrs(launcher.path, targets)).flatMap((at) => carriers.get(at)?.path ?? []);
    } finally {
      launcher.close();
    }
  } catch (error) {
    if (!isVarveError(error, "SANDBOX_UNAVAILABLE")) throw error;
    return [...carriers.values()].map((entry) => entry.path);
  }
}

async function makeSymlink(root: string, entry: Entry, options: RootfsDirectoryOptions): Promise<void> {
  const at = pathOf(root, entry.path);
  if (entry.linkTarget === undefined) throw new VarveError("IMAGE_OUTPUT", `symlink ${displayPath(entry.path)} has no target`);
  await symlink(Buffer.from(entry.linkTarget, "latin1"), at);
  if (options.owner === "keep") await lchown(at, entry.uid, entry.gid);
  await lutimes(at, entry.mtime, entry.mtime);
}

/** Moves what is in `from` into `to`; directories that are on both sides merge, all else replaces. */
async function moveInto(from: Buffer, to: Buffer): Promise<void> {
  for (const name of await readdir(from, { encoding: "buffer" })) {
    const source = join(from, name);
    const target = join(to, name);
    const found = await lstat(target).catch(() => undefined);
    if (found?.isDirectory() === true) {
      if ((await lstat(source)).isDirectory()) {
        await moveInto(source, target);
        continue;
      }
      await rm(target, { recursive: true });
    } else if (found !== undefined && (await lstat(source)).isDirectory()) {
      await rm(target);
    }
    await rename(source, target);
  }
}

/** Modes last, since a directory may forbid its owner to write; deepest first, since writing changes the parent's time. */
async function finishDirectories(tree: FileTree, root: string, options: RootfsDirectoryOptions): Promise<void> {
  const directories: Entry[] = [];
  for (const entry of tree.walk()) if (entry.type === "directory" && entry.path !== "") directories.push(entry);
  for (const entry of directories.toReversed()) {
    const at = pathOf(root, entry.path);
    if (options.owner === "keep") await chown(at, entry.uid, entry.gid);
    await chmod(at, entry.mode);
    await utimes(at, entry.mtime, entry.mtime);
  }
}

function compareContent(a: Entry, b: Entry): number {
  const x = a.content;
  const y = b.content;
  if (x?.kind !== "layer" || y?.kind !== "layer") return Number(x?.kind === "layer") - Number(y?.kind === "layer");
  return x.diffID === y.diffID ? x.offset - y.offset : x.diffID < y.diffID ? -1 : 1;
}

function isPlain(entry: Entry | undefined): boolean {
  return entry?.type === "file" || entry?.type === "directory" || entry?.type === "symlink";
}

/** Host paths are text, names in trees are bytes. */
function pathOf(root: string, at?: BytePath): Buffer {
  return at === undefined || at === "" ? Buffer.from(root) : Buffer.concat([Buffer.from(`${root}/`), Buffer.from(at, "latin1")]);
}

function pathBytes(root: string, at: BytePath): BytePath {
  return pathOf(root, at).toString("latin1") as BytePath;
}

function join(directory: Buffer, name: Buffer): Buffer {
  return Buffer.concat([directory, Buffer.from("/"), name]);
}

function isErrno(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "code" in error && typeof error.code === "string";
}
