import { randomUUID } from "node:crypto";
import { lstat, open, realpath, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import type { ByteStream } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import type { IOOptions } from "@varve/oci";

/** Where a stream goes: a file's path, or a function that reads the stream to its end (stdout, say). */
export type ByteSink = string | ((stream: ByteStream) => Promise<void>);

/**
 * Sends a stream into a sink. A file appears under its name only when it is whole; what is there and no regular file (a pipe, `/dev/stdout`)
 * is written into as it is. Throws IMAGE_OUTPUT when the file cannot be written, else what the stream throws.
 */
export async function writeSink(sink: ByteSink, stream: ByteStream, options: IOOptions = {}): Promise<void> {
  if (typeof sink === "function") return sink(stream);
  if (await isSpecial(sink)) return pour(sink, "w", stream, options);
  // a symlink's target is replaced, not the link
  const target = await realTarget(sink);
  const partial = path.join(path.dirname(target), `.${path.basename(target)}.${randomUUID()}.partial`);
  try {
    await pour(partial, "wx", stream, options);
    await rename(partial, target).catch((cause: unknown) => refuse(sink, cause));
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}

async function pour(file: string, flags: "w" | "wx", stream: ByteStream, options: IOOptions): Promise<void> {
  const handle = await open(file, flags, 0o644).catch((cause: unknown) => refuse(file, cause));
  try {
    for await (const piece of stream) {
      options.signal?.throwIfAborted();
      // writeFile loops over short writes, which write does not
      await handle.writeFile(piece).catch((cause: unknown) => refuse(file, cause));
    }
  } finally {
    await handle.close();
  }
}

async function isSpecial(file: string): Promise<boolean> {
  const found = await stat(file).catch(() => undefined);
  if (found?.isDirectory() === true) {
    throw new VarveError("IMAGE_OUTPUT", `cannot write an archive to ${file}: it is a directory`, { hint: "name a file" });
  }
  return found !== undefined && !found.isFile();
}

async function realTarget(file: string): Promise<string> {
  const link = await lstat(file).catch(() => undefined);
  return link?.isSymbolicLink() === true ? realpath(file).catch(() => file) : file;
}

function refuse(file: string, cause: unknown): never {
  const why = cause instanceof Error ? cause.message : String(cause);
  throw new VarveError("IMAGE_OUTPUT", `cannot write ${file}: ${why}`, { cause });
}
