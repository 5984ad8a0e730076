import { randomUUID } from "node:crypto";
import { type FileHandle, open, rm } from "node:fs/promises";
import path from "node:path";
import type { ByteStream } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import type { IOOptions } from "@varve/oci";
import { type RandomAccess, readRange } from "./file-access.ts";

/**
 * Bytes put aside to be read later, at any place, any number of times: in memory while they are few, then in a file that has no name,
 * so that nothing is left behind when the process is killed. First `write`s, then reads.
 */
export interface Spool extends RandomAccess {
  write(piece: Uint8Array): Promise<void>;
}

/** Layers of most steps fit; ten steps at once hold 40 MiB at most. */
const MEMORY_LIMIT = 4 * 1024 * 1024;
const PIECE = 256 * 1024;

/** Creates an empty {@link Spool}; `directory()` gives the folder of its file when one is needed. */
export function createSpool(directory: () => Promise<string>): Spool {
  return new DiskSpool(directory);
}

/** Puts a stream aside whole. */
export async function spoolStream(stream: ByteStream, directory: () => Promise<string>, options: IOOptions = {}): Promise<Spool> {
  const spool = createSpool(directory);
  try {
    for await (const piece of stream) {
      options.signal?.throwIfAborted();
      await spool.write(piece);
    }
    return spool;
  } catch (error) {
    await spool[Symbol.asyncDispose]();
    throw error;
  }
}

class DiskSpool implements Spool {
  readonly #directory: () => Promise<string>;
  #pieces: Uint8Array[] = [];
  #handle: FileHandle | undefined;
  #size = 0;
  /** Bytes in `#pieces`. */
  #buffered = 0;
  #readers = 0;
  #disposed = false;

  constructor(directory: () => Promise<string>) {
    this.#directory = directory;
  }

  get size(): number {
    return this.#size;
  }

  async write(piece: Uint8Array): Promise<void> {
    this.#size += piece.length;
    this.#buffered += piece.length;
    this.#pieces.push(piece);
    if (this.#handle === undefined && this.#size <= MEMORY_LIMIT) return;
    this.#handle ??= await openNameless(await this.#directory());
    if (this.#buffered >= PIECE) await this.#flush();
  }

  async *read(offset = 0, length: number = this.#size - offset, options: IOOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
    this.#readers += 1;
    try {
      if (this.#handle === undefined) yield* sliceOf(this.#pieces, offset, length);
      else {
        await this.#flush();
        yield* readRange(this.#handle, offset, length, options);
      }
    } finally {
      this.#readers -= 1;
      if (this.#disposed && this.#readers === 0) await this.#close();
    }
  }

  /** Streams that are being read go on; the file is closed after the last of them. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    if (this.#readers === 0) await this.#close();
  }

  async #close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    this.#pieces = [];
    await handle?.close();
  }

  async #flush(): Promise<void> {
    const handle = this.#handle;
    if (handle === undefined || this.#pieces.length === 0) return;
    const joined = Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#buffered = 0;
    await handle.writeFile(joined).catch((cause: unknown) => {
      throw new VarveError("IMAGE_OUTPUT", `cannot put a layer aside: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    });
  }
}

async function openNameless(directory: string): Promise<FileHandle> {
  const file = path.join(directory, randomUUID());
  const handle = await open(file, "wx+", 0o600);
  await rm(file);
  return handle;
}

function* sliceOf(pieces: readonly Uint8Array[], offset: number, length: number): Generator<Uint8Array, void, undefined> {
  let start = 0;
  for (const piece of pieces) {
    const from = Math.max(0, offset - start);
    const to = Math.min(piece.length, offset + length - start);
    if (from < to) yield piece.subarray(from, to);
    start += piece.length;
  }
}
