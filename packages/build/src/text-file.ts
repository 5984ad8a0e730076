import { constants, open } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { Socket } from "node:net";
import { promisify } from "node:util";
import { type ByteStream, collectBytes } from "@varve/bytes";
import type { IOOptions } from "@varve/oci";

/**
 * Reads a small file whole: one on disk, or a pipe (`-f <(generate)`, a FIFO), for whose writer it waits until `signal` is aborted. More than `limit`
 * bytes throws what `tooLarge` makes; system errors pass as they are.
 */
export async function readSmallFile(path: string, limit: number, tooLarge: () => Error, options: IOOptions = {}): Promise<Uint8Array> {
  const found = await stat(path);
  if (found.isFIFO()) return collectBytes(await openPipe(path, options), limit, tooLarge);
  if (found.size > limit) throw tooLarge();
  return readFile(path);
}

/** Waits by epoll: an open or read that waits in a thread of libuv's pool could not be given up, and would keep the process from ending. */
async function openPipe(path: string, { signal }: IOOptions): Promise<ByteStream> {
  // the socket closes it
  const fd = await promisify(open)(path, constants.O_RDONLY | constants.O_NONBLOCK);
  return new Socket({ fd, readable: true, writable: false, ...(signal === undefined ? {} : { signal }) }) as ByteStream;
}
