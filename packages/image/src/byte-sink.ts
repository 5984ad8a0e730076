import { access, constants, lstat, open, realpath, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import type { ByteStream } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import type { IOOptions } from "@varve/oci";
import { partialPath } from "./partial-file.ts";

/** Where a stream goes: a file's path, or a function that reads the stream to its end (stdout, say). */
export type ByteSink = string | ((stream: ByteStream) => Promise<void>);

/**
 * Sends a stream into a sink. A file appears under its name only when it is whole; what is there and no regular file (a pipe, `/dev/stdout`)
 * is written into as it is. Throws IMAGE_OUTPUT when the file cannot be written, else what the stream throws.
 */
export async function writeSink(sink: ByteSink, stream: ByteStream, options: IOOptions = {}): Promise<void> {
  if (typeof sink === "function") return sink(stream);
  if (await isSpecial(sink)) return pour(sink, { file: sink, flags: "w" }, stream, options);
  // a symlink's target is replaced, not the link
  const target = await realTarget(sink);
  const partial = await partialPath(target);
  try {
    await pour(sink, { file: partial, flags: "wx" }, stream, options);
    await rename(partial, target).catch((cause: unknown) => refuse(sink, cause));
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}

/** Finds out before the work is done that a file could not be written at the end. Throws IMAGE_OUTPUT; makes nothing. */
export async function requireWritable(sink: string): Promise<void> {
  if (await isSpecial(sink)) return;
  const folder = path.dirname(await realTarget(sink));
  const found = await stat(folder).catch((cause: unknown) => refuse(sink, cause, isMissing(cause) ? `there is no folder ${folder}` : undefined));
  if (!found.isDirectory()) refuse(sink, undefined, `${folder} is no folder`);
  await access(folder, constants.W_OK | constants.X_OK).catch((cause: unknown) => refuse(sink, cause));
}

async function pour(sink: string, place: { readonly file: string; readonly flags: "w" | "wx" }, stream: ByteStream, options: IOOptions): Promise<void> {
  const handle = await open(place.file, place.flags, 0o644).catch((cause: unknown) => refuse(sink, cause));
  try {
    for await (const piece of stream) {
      options.signal?.throwIfAborted();
      // writeFile loops over short writes, which write does not
      await handle.writeFile(piece).catch((cause: unknown) => refuse(sink, cause));
    }
  } finally {
    await handle.close();
  }
}

async function isSpecial(file: string): Promise<boolean> {
  const found = await stat(file).catch(() => undefined);
  if (found?.isDirectory() === true) throw new VarveError("IMAGE_OUTPUT", `cannot write ${file}: it is a directory`, { hint: "name a file" });
  return found !== undefined && !found.isFile();
}

async function realTarget(file: string): Promise<string> {
  const link = await lstat(file).catch(() => undefined);
  return link?.isSymbolicLink() === true ? realpath(file).catch(() => file) : file;
}

function isMissing(cause: unknown): boolean {
  return cause instanceof Error && "code" in cause && cause.code === "ENOENT";
}

function refuse(file: string, cause: unknown, found?: string): never {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  const folder = path.dirname(path.resolve(file));
  const why =
    found ??
    (code === "ENOSPC" || code === "EDQUOT" ? `no space left in ${folder}` : cause instanceof Error ? cause.message.replace(/, \w+ '.*$/s, "") : String(cause));
  throw new VarveError("IMAGE_OUTPUT", `cannot write ${file}: ${why}`, { cause });
}
