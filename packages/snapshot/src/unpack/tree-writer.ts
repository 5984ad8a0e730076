import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  futimesSync,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  symlinkSync,
  utimesSync,
  writeSync,
} from "node:fs";
import { rm } from "node:fs/promises";
import { type BytePath, type ByteStream, displayPath, parentPath } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import { createProgram, type Ids, launcherArch, type ProgramBuilder, runProgram } from "@varve/sandbox";
import { hostPath } from "../host-path.ts";
import { readWriteEntries, type WriteEntry } from "./write-entry.ts";

/** Where and how a tree is written. */
export interface TreeWriterOptions {
  /** Exists, is empty (unless merged into) and belongs to this process alone. */
  readonly directory: BytePath;
  /** What is there already stays, but for what the stream replaces and what its whiteouts name; each entry comes after those of its parents. */
  readonly merge?: boolean;
  /** Told each path in the end. */
  readonly onWritten?: (path: BytePath) => void;
  readonly launcher: string;
  /** `one`: owners other than this process's cannot be given. */
  readonly ids: Ids;
  readonly signal?: AbortSignal | undefined;
}

const S_IFCHR = 0o020000;
const S_IFBLK = 0o060000;
const S_IFIFO = 0o010000;
const AT_FDCWD = -100;
/** Calls a program makes at most, so that it stays well below the launcher's memory. */
const CALLS_PER_PROGRAM = 20_000;
const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/**
 * Writes a stream of entries into a fresh directory. Whatever order they come in, no symlink exists before all files are written,
 * so nothing can be written through one. Owner, then mode, then xattrs, then times; directory times last.
 */
export async function writeTree(stream: ByteStream, options: TreeWriterOptions): Promise<void> {
  const rest = await writeFiles(stream, options);
  const { directories, links, symlinks, special, withXattrs } = rest;
  if (options.merge === true) await clearForLate(rest, options);
  const late = new Set([...symlinks, ...special].map((entry) => entry.path));
  const link = (entry: WriteEntry): void => attempt(entry, () => linkSync(hostPath(under(options, targetOf(entry))), hostPath(under(options, entry.path))));
  for (const entry of links) if (!late.has(targetOf(entry))) link(entry);
  const nodes = special.filter((entry) => !isSkipped(entry, options) && (options.merge !== true || entry.type !== "whiteout"));
  await makeNodes(nodes, options);
  for (const entry of symlinks) attempt(entry, () => writeSymlink(entry, options));
  // further names of symlinks and special files
  const made = new Set([...symlinks, ...nodes].map((entry) => entry.path));
  for (const entry of links) if (made.has(targetOf(entry))) link(entry);
  const owned = [...nodes.filter((entry) => entry.type !== "whiteout"), ...directories.toReversed()];
  for (const entry of owned) attempt(entry, () => ownAndMode(entry, options));
  await setXattrs(withXattrs, options);
  for (const entry of owned) attempt(entry, () => utimesSync(hostPath(under(options, entry.path)), timeOf(entry), timeOf(entry)));
  if (options.onWritten !== undefined) for (const path of rest.written) options.onWritten(path);
}

/** Entries that are to be made, or completed, once all files are there. */
interface Rest {
  readonly directories: WriteEntry[];
  readonly links: WriteEntry[];
  readonly symlinks: WriteEntry[];
  readonly special: WriteEntry[];
  readonly withXattrs: WriteEntry[];
  /** All paths that are there in the end, where somebody is told of them. */
  readonly written: BytePath[];
}

async function writeFiles(stream: ByteStream, options: TreeWriterOptions): Promise<Rest> {
  const rest: Rest = { directories: [], links: [], symlinks: [], special: [], withXattrs: [], written: [] };
  const made = new Set<BytePath>();
  let slice = performance.now();
  for await (const { entry, content } of readWriteEntries(stream)) {
    checkPath(entry.path);
    try {
      if (options.merge === true && entry.path !== "" && !made.has(parentPath(entry.path))) throw new Error("its directory does not come before it");
      if (entry.type === "directory") {
        made.add(entry.path);
        if (!(options.merge === true && (await keepDirectory(entry, options))) && entry.path !== "") mkdirSync(hostPath(under(options, entry.path)), 0o700);
        rest.directories.push(entry);
      } else if (entry.type === "file") {
        if (options.merge === true) await rm(hostPath(under(options, entry.path)), { recursive: true, force: true });
        await writeFile(entry, content(), options);
      } else if (entry.type === "hardlink") rest.links.push(entry);
      else if (entry.type === "symlink") rest.symlinks.push(entry);
      else rest.special.push(entry);
    } catch (error) {
      throw applyError(entry, error);
    }
    if (entry.xattrs !== undefined && entry.type !== "hardlink") rest.withXattrs.push(entry);
    // there may be a million of them
    if (options.onWritten !== undefined && entry.type !== "whiteout" && !isSkipped(entry, options)) rest.written.push(entry.path);
    if (performance.now() - slice > 10) {
      options.signal?.throwIfAborted();
      await new Promise((resolve) => setImmediate(resolve));
      slice = performance.now();
    }
  }
  return rest;
}

function targetOf(entry: WriteEntry): BytePath {
  const target = entry.target ?? ("" as BytePath);
  checkPath(target);
  return target;
}

function under(options: TreeWriterOptions, path: BytePath): BytePath {
  return (path === "" ? options.directory : `${options.directory}/${path}`) as BytePath;
}

/** The tree's own invariant, checked again where a mistake would leave the directory. */
function checkPath(path: BytePath): void {
  if (path === "") return;
  if (path.split("/").some((name) => name === "" || name === "." || name === "..") || path.includes("\0")) {
    throw new VarveError("SNAPSHOT_APPLY_FAILED", `${JSON.stringify(displayPath(path))} is no path inside a root filesystem`);
  }
}

/** Whether a directory is there already; all else at its path makes way. */
async function keepDirectory(entry: WriteEntry, options: TreeWriterOptions): Promise<boolean> {
  const path = hostPath(under(options, entry.path));
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (there?.isDirectory() !== true) {
    if (there !== undefined) await rm(path);
    return false;
  }
  chmodSync(path, 0o700);
  return true;
}

/** What comes after the files replaces what is there, too. */
async function clearForLate({ links, symlinks, special }: Rest, options: TreeWriterOptions): Promise<void> {
  for (const entry of [...links, ...symlinks, ...special]) await rm(hostPath(under(options, entry.path)), { recursive: true, force: true });
}

async function writeFile(entry: WriteEntry, content: ByteStream, options: TreeWriterOptions): Promise<void> {
  const path = hostPath(under(options, entry.path));
  const file = openSync(path, CREATE, 0o600);
  try {
    for await (const piece of content) for (let at = 0; at < piece.length;) at += writeSync(file, piece, at);
    if (options.ids !== "one") fchownSync(file, entry.uid, entry.gid);
    fchmodSync(file, entry.mode);
    futimesSync(file, timeOf(entry), timeOf(entry));
  } finally {
    closeSync(file);
  }
}

function writeSymlink(entry: WriteEntry, options: TreeWriterOptions): void {
  const path = hostPath(under(options, entry.path));
  symlinkSync(hostPath(entry.target ?? ""), path);
  if (options.ids !== "one") lchownSync(path, entry.uid, entry.gid);
  lutimesSync(path, timeOf(entry), timeOf(entry));
}

function ownAndMode(entry: WriteEntry, options: TreeWriterOptions): void {
  const path = hostPath(under(options, entry.path));
  if (options.ids !== "one") lchownSync(path, entry.uid, entry.gid);
  // chown clears set-id bits, so the mode follows it
  chmodSync(path, entry.mode);
}

/** Node takes a negative number for now, and a date for what it is. */
function timeOf(entry: Pick<WriteEntry, "mtime">): Date {
  return new Date(entry.mtime * 1000);
}

/** Device nodes can only be made where ids are real; the tree still holds them, and the step can't use them anyway. */
function isSkipped(entry: WriteEntry, options: TreeWriterOptions): boolean {
  return options.ids !== "real" && (entry.type === "char" || entry.type === "block");
}

async function makeNodes(entries: readonly WriteEntry[], options: TreeWriterOptions): Promise<void> {
  let firstWhiteout: BytePath | undefined;
  await inPrograms(entries, options, (program, entry) => {
    const path = under(options, entry.path);
    const label = `make ${displayPath(entry.path)}`;
    if (entry.type !== "whiteout") {
      const kind = entry.type === "char" ? S_IFCHR : entry.type === "block" ? S_IFBLK : S_IFIFO;
      program.call(label, "mknodat", AT_FDCWD, program.string(path), kind | 0o600, deviceNumber(entry.major ?? 0, entry.minor ?? 0));
    } else if (firstWhiteout === undefined) {
      firstWhiteout = path;
      program.call(label, "mknodat", AT_FDCWD, program.string(path), S_IFCHR, 0);
    } else {
      // one inode for all whiteouts, up to the file system's limit of links
      program.call({ label, onError: "ignore" }, "linkat", AT_FDCWD, program.string(firstWhiteout), AT_FDCWD, program.string(path), 0);
      program.call({ label, onError: "ignore" }, "mknodat", AT_FDCWD, program.string(path), S_IFCHR, 0);
    }
  });
}

/** Linux's 64-bit dev_t as mknod takes it (32 bits of it). */
function deviceNumber(major: number, minor: number): number {
  return ((minor & 0xff) | ((major & 0xfff) << 8) | ((minor & ~0xff) << 12)) >>> 0;
}

async function setXattrs(entries: readonly WriteEntry[], options: TreeWriterOptions): Promise<void> {
  await inPrograms(entries, options, (program, entry) => {
    for (const [name, base64] of Object.entries(entry.xattrs ?? {})) {
      const value = Buffer.from(base64, "base64");
      program.call(
        `set ${name} of ${displayPath(entry.path)}`,
        "lsetxattr",
        program.string(under(options, entry.path)),
        program.string(name),
        program.data(value),
        value.length,
        0,
      );
    }
  });
}

async function inPrograms(
  entries: readonly WriteEntry[],
  options: TreeWriterOptions,
  add: (program: ProgramBuilder, entry: WriteEntry) => void,
): Promise<void> {
  for (let at = 0; at < entries.length; at += CALLS_PER_PROGRAM) {
    options.signal?.throwIfAborted();
    const program = createProgram(launcherArch());
    for (const entry of entries.slice(at, at + CALLS_PER_PROGRAM)) add(program, entry);
    const report = await runProgram(options.launcher, program.finish());
    if (report.failure !== undefined) throw new VarveError("SNAPSHOT_APPLY_FAILED", `cannot ${report.failure.label}: ${report.failure.code}`);
  }
}

function attempt(entry: WriteEntry, action: () => void): void {
  try {
    action();
  } catch (error) {
    throw applyError(entry, error);
  }
}

function applyError(entry: WriteEntry, error: unknown): unknown {
  if (error instanceof VarveError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  const full = code === "ENOSPC" || code === "EDQUOT";
  return new VarveError(
    "SNAPSHOT_APPLY_FAILED",
    `cannot write ${JSON.stringify(displayPath(entry.path))} of a root filesystem: ${full ? "no space left" : message}`,
    {
      ...(full ? { hint: "free some space on the store's disk, or set VARVE_HOME to a larger one" } : {}),
      cause: error,
    },
  );
}
