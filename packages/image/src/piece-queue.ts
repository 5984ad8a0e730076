import { randomUUID } from "node:crypto";
import { type FileHandle, open, rm } from "node:fs/promises";
import path from "node:path";
import type { ByteStream } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import type { IOOptions } from "@varve/oci";
import { readRange } from "./file-access.ts";

/**
 * Bytes on their way from one writer to one reader who may be slower: in memory while he keeps up, else put aside in a file that has no name, so that
 * nothing is left behind when the process is killed.
 */
export interface PieceQueue extends AsyncDisposable {
  /**
   * Takes a piece, which must not change any more. It waits for the reader while more bytes than `patience` says would wait in memory; where that says
   * nothing, what there is no room for is put aside.
   */
  write(piece: Uint8Array, patience?: () => number | undefined): Promise<void>;
  /** Nothing more comes. */
  end(): void;
  /** Makes the reader throw. */
  fail(error: unknown): void;
  /** All bytes from the start, once; pieces come as they were written unless they had to be put aside. */
  read(options?: IOOptions): ByteStream;
}

/** Bytes that wait in memory at most, besides {@link GATHER}. */
export const WINDOW: number = 16 * 1024 * 1024;
/** Bytes that are written to the file at once, and read from it. */
const GATHER = 1024 * 1024;

/** Creates an empty queue; `directory()` gives the folder of its file when one is needed. */
export function createPieceQueue(directory: () => Promise<string>): PieceQueue {
  return new OverflowingQueue(directory);
}

/** Older bytes are in `#pieces`, then the file, then `#gathered`: once something was put aside, all is until the reader has caught up. */
class OverflowingQueue implements PieceQueue {
  readonly #directory: () => Promise<string>;
  readonly #pieces: Uint8Array[] = [];
  #held = 0;
  #handle: FileHandle | undefined;
  /** Of the file, for errors. */
  #folder = "";
  #written = 0;
  #read = 0;
  #gathered: Uint8Array[] = [];
  #gatheredSize = 0;
  #writing: Promise<void> | undefined;
  #ended = false;
  #failure: { readonly error: unknown } | undefined;
  #waiting: (() => void)[] = [];
  /** Writers that wait for a piece to be taken. */
  #room: (() => void)[] = [];
  /** Whether the reader is gone. */
  #left = false;

  constructor(directory: () => Promise<string>) {
    this.#directory = directory;
  }

  async write(piece: Uint8Array, patience: () => number | undefined = () => undefined): Promise<void> {
    while (this.#held > 0 && !this.#isAside() && !this.#left && this.#held + piece.length > (patience() ?? Number.POSITIVE_INFINITY))
      await new Promise<void>((resolve) => this.#room.push(resolve));
    if (this.#left) return;
    if (!this.#isAside() && this.#held + piece.length <= WINDOW) {
      this.#pieces.push(piece);
      this.#held += piece.length;
    } else {
      this.#gathered.push(piece);
      this.#gatheredSize += piece.length;
      if (this.#gatheredSize >= GATHER) await (this.#writing = this.#flush());
    }
    this.#wake();
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  fail(error: unknown): void {
    this.#failure = { error };
    this.#wake();
  }

  async *read(options: IOOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) {
      options.signal?.throwIfAborted();
      if (this.#failure !== undefined) throw this.#failure.error;
      const piece = this.#pieces.shift();
      if (piece !== undefined) {
        this.#held -= piece.length;
        this.#makeRoom();
        yield piece;
      } else if (this.#handle !== undefined && this.#read < this.#written) {
        const size = Math.min(GATHER, this.#written - this.#read);
        yield* readRange(this.#handle, this.#read, size, options);
        this.#read += size;
      } else if (this.#writing !== undefined) await this.#writing.catch(() => {});
      else if (this.#gatheredSize > 0) yield* this.#takeGathered();
      else if (this.#ended) return;
      else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#left = true;
    this.#makeRoom();
    await this.#writing?.catch(() => {});
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close();
  }

  #isAside(): boolean {
    return this.#gatheredSize > 0 || this.#writing !== undefined || this.#read < this.#written;
  }

  #takeGathered(): readonly Uint8Array[] {
    const pieces = this.#gathered;
    this.#gathered = [];
    this.#gatheredSize = 0;
    return pieces;
  }

  async #flush(): Promise<void> {
    const pieces = this.#takeGathered();
    // the room of what was read is used again
    if (this.#read === this.#written) this.#read = this.#written = 0;
    try {
      if (this.#handle === undefined) {
        this.#folder = await this.#directory();
        this.#handle = await openNameless(this.#folder);
      }
      this.#written += await writePieces(this.#handle, pieces, this.#written);
    } catch (cause) {
      throw asideError(this.#folder, cause);
    } finally {
      this.#writing = undefined;
    }
  }

  #makeRoom(): void {
    for (const resolve of this.#room.splice(0)) resolve();
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

/** Writes everything at a position; gives the bytes written. */
async function writePieces(handle: FileHandle, pieces: readonly Uint8Array[], position: number): Promise<number> {
  let at = position;
  for (const piece of pieces) {
    for (let done = 0; done < piece.length;) {
      const { bytesWritten } = await handle.write(piece, done, piece.length - done, at);
      done += bytesWritten;
      at += bytesWritten;
    }
  }
  return at - position;
}

/** A new file that is gone when it is closed. */
export async function openNameless(directory: string): Promise<FileHandle> {
  const file = path.join(directory, randomUUID());
  const handle = await open(file, "wx+", 0o600);
  await rm(file);
  return handle;
}

/** The error of a layer that there was no room for in `folder`. */
export function asideError(folder: string, cause: unknown): VarveError {
  const { message, code } = cause as NodeJS.ErrnoException;
  const full = code === "ENOSPC" || code === "EDQUOT";
  return new VarveError("IMAGE_OUTPUT", `cannot put a layer aside in ${folder}: ${full ? "no space left" : message}`, {
    hint: full ? "free some space there, or set VARVE_HOME to a larger disk" : undefined,
    cause,
  });
}
