import { type BytePath, displayPath } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import { type Address, createProgram, type ProgramBuilder } from "./launcher/program.ts";
import { runProgram } from "./launcher/program-runner.ts";
import { reportData } from "./launcher/report.ts";
import { launcherArch } from "./launcher/system-call.ts";

/** A file whose attributes are read: where it is on this machine, as bytes, and what `lstat` says it is. */
export interface XattrHolder {
  readonly path: BytePath;
  readonly type: "file" | "directory";
}

/** Extended attributes of one file, by name. */
export type Xattrs = ReadonlyMap<string, Uint8Array>;

const ERANGE = 34;
/** Starting a process costs as much as asking about a thousand files. */
const LISTS_PER_PROGRAM = 20_000;
const VALUES_PER_PROGRAM = 4000;
/** Most values are shorter than this, capabilities 20 bytes. */
const USUAL_VALUE = 1024;
/** The kernel's own limit of a list and of a value. */
const LARGEST = 65_536;

/**
 * Extended attributes that files of images have: capabilities of programs and what users set. Others are the host's (labels, access
 * lists), or overlayfs's own, which an image must not be able to write: they would redirect its lookups. The kernel takes users'
 * attributes on files and directories only. `type` is an entry's.
 */
export function isKeptXattr(name: string, type: string): boolean {
  if (type === "file" && name === "security.capability") return true;
  return (type === "file" || type === "directory") && name.startsWith("user.") && !name.startsWith("user.overlay.");
}

/**
 * Reads the extended attributes that are kept (see {@link isKeptXattr}), by path; paths without any are left out, as are those that are gone
 * and those on file systems without attributes. Symlinks are not followed at a path's end. One call a file that has none. `launcher` is
 * the path of an open launcher. Throws SANDBOX_HELPER_FAILED when it can't be run.
 */
export async function readXattrs(launcher: string, holders: readonly XattrHolder[]): Promise<ReadonlyMap<BytePath, Xattrs>> {
  const sizes = await listSizes(launcher, holders);
  const listed = holders.filter((_, at) => (sizes[at] ?? 0) > 0);
  const lists = await readAll(
    launcher,
    listed.map((holder) => ({ ...holder, size: 256 })),
    "llistxattr",
    (program, { path }) => [program.string(path)],
  );
  const wanted: { path: BytePath; name: string; size: number }[] = [];
  for (const [at, { path, type }] of listed.entries()) {
    for (const name of (lists[at] ?? Buffer.alloc(0)).toString("latin1").split("\0"))
      if (isKeptXattr(name, type)) wanted.push({ path, name, size: USUAL_VALUE });
  }
  const values = await readAll(launcher, wanted, "lgetxattr", (program, { path, name }) => [program.string(path), program.string(name)]);
  const found = new Map<BytePath, Map<string, Uint8Array>>();
  for (const [at, { path, name }] of wanted.entries()) {
    const value = values[at];
    if (value === undefined) continue;
    const known = found.get(path) ?? new Map<string, Uint8Array>();
    found.set(path, known.set(name, new Uint8Array(value)));
  }
  return found;
}

/** Bytes of each file's list of names; below zero where there can be none. Nearly all files have none, and this moves 8 bytes for each. */
async function listSizes(launcher: string, holders: readonly XattrHolder[]): Promise<readonly number[]> {
  const sizes: number[] = [];
  for (let at = 0; at < holders.length; at += LISTS_PER_PROGRAM) {
    const part = holders.slice(at, at + LISTS_PER_PROGRAM);
    const program = createProgram(launcherArch());
    const results = program.buffer(8 * part.length);
    for (const [i, { path }] of part.entries()) {
      program.call({ label: "list attributes", onError: "ignore", result: { address: results.address + 8 * i } }, "llistxattr", program.string(path), 0, 0);
    }
    const data = await runForData(launcher, program, results, 8 * part.length);
    for (let i = 0; i < part.length; i++) sizes.push(data.readInt32LE(8 * i));
  }
  return sizes;
}

/** Makes one call an item, each into a buffer of its `size` bytes; where that is too small, again with the largest there can be. `undefined` where it fails. */
async function readAll<T extends { readonly path: BytePath; readonly size: number }>(
  launcher: string,
  items: readonly T[],
  name: "llistxattr" | "lgetxattr",
  args: (program: ProgramBuilder, item: T) => readonly Address[],
): Promise<(Buffer | undefined)[]> {
  const out: (Buffer | undefined)[] = [];
  for (let at = 0; at < items.length; at += VALUES_PER_PROGRAM) {
    const part = items.slice(at, at + VALUES_PER_PROGRAM);
    const size = Math.max(...part.map((item) => item.size));
    const program = createProgram(launcherArch());
    const results = program.buffer(8 * part.length);
    const buffers = program.buffer(part.length * size);
    for (const [i, item] of part.entries()) {
      const to = { address: buffers.address + i * size };
      program.call({ label: name, onError: "ignore", result: { address: results.address + 8 * i } }, name, ...args(program, item), to, size);
    }
    // results and buffers lie side by side
    const data = await runForData(launcher, program, results, part.length * (8 + size));
    for (const [i, item] of part.entries()) {
      const result = data.readInt32LE(8 * i);
      const start = 8 * part.length + i * size;
      if (result >= 0) out.push(data.subarray(start, start + result));
      else if (result === -ERANGE && size < LARGEST) out.push(...(await readAll(launcher, [{ ...item, size: LARGEST }], name, args)));
      else if (result === -ERANGE) throw failed(`extended attributes of ${displayPath(item.path)} are larger than 64 KiB`);
      else out.push(undefined);
    }
  }
  return out;
}

async function runForData(launcher: string, program: ProgramBuilder, from: Address, size: number): Promise<Buffer> {
  reportData(program, from, size);
  const report = await runProgram(launcher, program.finish());
  const { data } = report;
  if (data === undefined) throw failed("extended attributes cannot be read");
  return Buffer.from(data.buffer, data.byteOffset, data.length);
}

function failed(message: string): VarveError {
  return new VarveError("SANDBOX_HELPER_FAILED", message);
}
