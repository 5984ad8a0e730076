import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import type { ByteStream } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import type { IOOptions } from "@varve/oci";

/** Bytes that can be read at any place, any number of times; disposed of by who made it. */
export interface RandomAccess extends AsyncDisposable {
  /** Bytes. */
  readonly size: number;
  /** `length` bytes from `offset` (default: all); a piece has at most 1 MiB. */
  read(offset?: number, length?: number, options?: IOOptions): ByteStream;
}

const PIECE = 1024 * 1024;

/** Pieces of an open file's range; throws IMAGE_INVALID_ARCHIVE when the file is shorter. */
export async function* readRange(handle: FileHandle, offset: number, length: number, options: IOOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
  const end = offset + length;
  for (let at = offset; at < end;) {
    options.signal?.throwIfAborted();
    const buffer = new Uint8Array(Math.min(PIECE, end - at));
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, at);
    if (bytesRead === 0) throw new VarveError("IMAGE_INVALID_ARCHIVE", `a file ended ${end - at} bytes early`);
    yield buffer.subarray(0, bytesRead);
    at += bytesRead;
  }
}

/** Opens a regular file; `undefined` when it is something else (a pipe, a directory). Throws what `open(2)` throws; symlinks are followed. */
export async function openFileAccess(file: string): Promise<RandomAccess | undefined> {
  // without O_NONBLOCK, opening a pipe nobody writes to would wait for ever
  const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
  const stats = await handle.stat();
  if (!stats.isFile()) {
    await handle.close();
    return undefined;
  }
  return {
    size: stats.size,
    read: (offset = 0, length = stats.size - offset, options = {}) => readRange(handle, offset, length, options),
    [Symbol.asyncDispose]: () => handle.close(),
  };
}
