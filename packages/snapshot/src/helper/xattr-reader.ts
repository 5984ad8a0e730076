import { VarveError } from "@varve/errors";
import { type BytePath, displayPath } from "@varve/bytes";
import { type Address, createProgram, launcherArch, type ProgramBuilder, reportData } from "@varve/sandbox";
import { isKeptXattr } from "../kept-xattr.ts";
import { runProgram } from "./program-runner.ts";

const ERANGE = 34;
const PATHS_PER_PROGRAM = 4000;
/** The kernel's own limits of a list and of a value. */
const LARGEST = 65_536;

/** A file or directory whose attributes are read. */
export interface XattrHolder {
  readonly path: BytePath;
  readonly type: "file" | "directory";
}

/** Extended attributes that are kept, base64 by name; paths without any are left out. */
export async function readXattrs(launcher: string, holders: readonly XattrHolder[]): Promise<ReadonlyMap<BytePath, Readonly<Record<string, string>>>> {
  const wanted: { path: BytePath; name: string }[] = [];
  const lists = await readAll(launcher, holders, 256, (program, { path }, buffer, size) => [program.string(path), buffer, size], "llistxattr");
  for (const [i, { path, type }] of holders.entries()) {
    for (const name of (lists[i] ?? Buffer.alloc(0)).toString("latin1").split("\0")) if (isKeptXattr(name, type)) wanted.push({ path, name });
  }
  const values = await readAll(
    launcher,
    wanted,
    1024,
    (program, { path, name }, buffer, size) => [program.string(path), program.string(name), buffer, size],
    "lgetxattr",
  );
  const found = new Map<BytePath, Record<string, string>>();
  for (const [i, { path, name }] of wanted.entries()) {
    const known = found.get(path) ?? {};
    known[name] = (values[i] ?? Buffer.alloc(0)).toString("base64");
    found.set(path, known);
  }
  return found;
}

type Arguments<T> = (program: ProgramBuilder, item: T, buffer: Address, size: number) => (Address | number)[];

/** Makes one call an item, each into a buffer of `size` bytes; where that is too small, again with the largest there can be. */
async function readAll<T extends { readonly path: BytePath }>(
  launcher: string,
  items: readonly T[],
  size: number,
  args: Arguments<T>,
  name: "llistxattr" | "lgetxattr",
): Promise<Buffer[]> {
  const out: Buffer[] = [];
  const perProgram = size === LARGEST ? 64 : PATHS_PER_PROGRAM;
  for (let at = 0; at < items.length; at += perProgram) {
    const part = items.slice(at, at + perProgram);
    const program = createProgram(launcherArch());
    const results = program.buffer(8 * part.length);
    const buffers = program.buffer(part.length * size);
    for (const [i, item] of part.entries()) {
      program.call(
        { label: name, onError: "ignore", result: { address: results.address + 8 * i } },
        name,
        ...args(program, item, { address: buffers.address + i * size }, size),
      );
    }
    // results and buffers lie side by side
    reportData(program, results, part.length * (8 + size));
    const { data } = (await runProgram(launcher, program.finish())).report;
    if (data === undefined) throw new VarveError("SNAPSHOT_READ_FAILED", "extended attributes cannot be read");
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.length);
    for (const [i, item] of part.entries()) {
      const result = Number(bytes.readBigInt64LE(8 * i));
      const start = 8 * part.length + i * size;
      if (result >= 0) out.push(bytes.subarray(start, start + result));
      else if (result === -ERANGE && size < LARGEST) out.push(...(await readAll(launcher, [item], LARGEST, args, name)));
      else if (result === -ERANGE) throw new VarveError("SNAPSHOT_READ_FAILED", `extended attributes of ${displayPath(item.path)} are larger than 64 KiB`);
      // a file system without attributes has none
      else out.push(Buffer.alloc(0));
    }
  }
  return out;
}
