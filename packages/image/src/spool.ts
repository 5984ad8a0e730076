import type { FileHandle } from "node:fs/promises";
import type { ByteStream } from "@varve/bytes";
import type { IOOptions } from "@varve/oci";
import { type RandomAccess, readRange } from "./file-access.ts";
import { asideError, openNameless } from "./piece-queue.ts";

/**
 * Bytes put aside to be read later, at any place, any number of times: in memory while they are few, then in a file that has no name,
 * so that nothing is left behind when the process is killed. One writer; `end` comes after the last `write`.
 */
export interface Spool extends RandomAccess {
  write(piece: Uint8Array): Promise<void>;
  /** Nothing more comes. `read` may be used from here on. */
  end(): Promise<void>;
}

/** Layers of most steps fit; ten steps at once hold 40 MiB at most. */
const MEMORY_LIMIT = 4 * 1024 * 1024;
const GATHER = 256 * 1024;

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
    await spool.end();
    return spool;
  } catch (error) {
    await spool[Symbol.asyncDispose]();
    throw error;
  }
}

class DiskSpool implements Spool {
  readonly #directory: () => Promise<string>;
  /** Not (yet) in the file. */
  #pieces: Uint8Array[] = [];
  #buffered = 0;
  #handle: FileHandle | undefined;
  /** Of the file, for errors. */
  #folder = "";
  #size = 0;
  #readers = 0;
  #disposed = false;

  constructor(directory: () => Promise<string>) {
    this.#directory = directory;
  }

  get size(): number {
    return this.#size;
  }

  async write(piece: Uint8Array): Promise<void> {
    if (this.#disposed) throw new TypeError("a spool was written to after it had been disposed of");
    this.#size += piece.length;
    this.#buffered += piece.length;
    this.#pieces.push(piece);
    if (this.#handle !== undefined || this.#size > MEMORY_LIMIT) {
      if (this.#handle === undefined) {
        this.#folder = await this.#directory();
        this.#handle = await openNameless(this.#folder);
      }
      if (this.#buffered >= GATHER) await this.#flush();
    }
  }

  end(): Promise<void> {
    return this.#flush();
  }

  async *read(offset = 0, length: number = this.#size - offset, options: IOOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
    this.#readers += 1;
    try {
      yield* this.#range(offset, length, options);
    } finally {
      await this.#leave();
    }
  }

  /** Streams that are being read go on; the file is closed after the last of them. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    if (this.#readers === 0) await this.#close();
  }

  #range(offset: number, length: number, options: IOOptions): AsyncIterable<Uint8Array> | Iterable<Uint8Array> {
    return this.#handle === undefined ? sliceOf(this.#pieces, offset, length) : readRange(this.#handle, offset, length, options);
  }

  async #leave(): Promise<void> {
    this.#readers -= 1;
    if (this.#disposed && this.#readers === 0) await this.#close();
  }

  async #close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    this.#pieces = [];
    await handle?.close();
  }

  async #flush(): Promise<void> {
    const handle = this.#handle;
    if (handle === undefined || this.#buffered === 0) return;
    const joined = Buffer.concat(this.#pieces);
    await handle.writeFile(joined).catch((cause: unknown) => {
      throw asideError(this.#folder, cause);
    });
    this.#pieces = [];
    this.#buffered = 0;
  }
}

function sliceOf(pieces: readonly Uint8Array[], offset: number, length: number): readonly Uint8Array[] {
  const out: Uint8Array[] = [];
  let start = 0;
  for (const piece of pieces) {
    const from = Math.max(0, offset - start);
    const to = Math.min(piece.length, offset + length - start);
    if (from < to) out.push(piece.subarray(from, to));
    start += piece.length;
  }
  return out;
}
