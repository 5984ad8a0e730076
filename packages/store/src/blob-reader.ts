import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import type { ByteStream } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import { type Descriptor, digestFromHex, type IOOptions } from "@varve/oci";
import { DAMAGED, verifyBlob } from "./blob-writer.ts";
import { diskError, errnoOf } from "./disk-error.ts";

const PIECE = 1024 * 1024;

/** Where a blob lies, and what to do when its bytes turn out to be others. */
export interface StoredBlob {
  readonly path: string;
  readonly descriptor: Descriptor;
  /** Called once the whole file was read and does not have its digest. */
  readonly onCorrupt: () => Promise<void>;
}

/** The blob's bytes; ends with STORE_DIGEST_MISMATCH when they don't have its digest and size. The file is opened by the first read. */
export async function* readBlob(blob: StoredBlob, options?: IOOptions): ByteStream & AsyncGenerator<Uint8Array, void, undefined> {
  const { digest, size } = blob.descriptor;
  const handle = await openBlob(blob);
  try {
    const actual = (await statOf(handle)).size;
    const hash = createHash("sha256");
    for await (const piece of readPieces(handle, { offset: 0, length: actual }, options)) {
      hash.update(piece);
      // a wrong size is known before the last byte: give nothing out that a caller could take for the blob
      if (actual === size) yield piece;
    }
    const found = digestFromHex(hash.digest("hex"));
    if (found !== digest) await blob.onCorrupt();
    verifyBlob({ digest: found, size: actual }, { digest, size });
  } finally {
    await handle.close();
  }
}

/** A part of the blob, unverified. */
export async function* readBlobRange(blob: StoredBlob, range: ByteRange, options?: IOOptions): AsyncGenerator<Uint8Array, void, undefined> {
  const handle = await openBlob(blob);
  try {
    yield* readPieces(handle, range, options);
  } finally {
    await handle.close();
  }
}

/** A blob whose parts are read into buffers at hand, unverified. */
export interface OpenBlob extends AsyncDisposable {
  /** Fills a buffer with what begins at `offset`. Throws STORE_DIGEST_MISMATCH when the file ends before that. */
  readInto(bytes: Uint8Array, offset: number, options?: IOOptions): Promise<void>;
}

/** Opens a blob for many reads. */
export async function openStoredBlob(blob: StoredBlob): Promise<OpenBlob> {
  const handle = await openBlob(blob);
  return {
    async readInto(bytes, offset, options) {
      for (let done = 0; done < bytes.length;) {
        options?.signal?.throwIfAborted();
        const count = await readSome(handle, bytes.subarray(done), offset + done);
        if (count === 0) throw endedEarly(bytes.length - done);
        done += count;
      }
    },
    [Symbol.asyncDispose]: () => handle.close(),
  };
}

/** In bytes. */
export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/** Reads one piece ahead, so that disk and consumer work at the same time. */
async function* readPieces(handle: FileHandle, range: ByteRange, options?: IOOptions): AsyncGenerator<Uint8Array, void, undefined> {
  const end = range.offset + range.length;
  let at = range.offset;
  let ahead = readPiece(handle, at, end);
  try {
    while (at < end) {
      options?.signal?.throwIfAborted();
      const piece = await ahead;
      if (piece.length === 0) throw endedEarly(end - at);
      at += piece.length;
      ahead = readPiece(handle, at, end);
      yield piece;
    }
  } finally {
    // the handle must not close under a read
    await ahead.catch(() => undefined);
  }
}

async function readPiece(handle: FileHandle, at: number, end: number): Promise<Uint8Array> {
  const length = Math.min(PIECE, end - at);
  if (length <= 0) return new Uint8Array(0);
  const piece = Buffer.allocUnsafeSlow(length);
  return piece.subarray(0, await readSome(handle, piece, at));
}

async function readSome(handle: FileHandle, bytes: Uint8Array, at: number): Promise<number> {
  try {
    return (await handle.read(bytes, 0, bytes.length, at)).bytesRead;
  } catch (error) {
    throw diskError(error, "read a blob");
  }
}

function endedEarly(missing: number): VarveError {
  return new VarveError("STORE_DIGEST_MISMATCH", `a blob's file ended ${missing} bytes early`, { hint: DAMAGED });
}

async function openBlob(blob: StoredBlob): Promise<FileHandle> {
  try {
    return await open(blob.path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") throw blobNotFound(blob.descriptor, error);
    throw diskError(error, "open a blob");
  }
}

async function statOf(handle: FileHandle): Promise<{ readonly size: number }> {
  try {
    return await handle.stat();
  } catch (error) {
    throw diskError(error, "read a blob");
  }
}

/** STORE_BLOB_NOT_FOUND for a descriptor. */
export function blobNotFound(descriptor: Descriptor, cause?: unknown): VarveError {
  return new VarveError("STORE_BLOB_NOT_FOUND", `blob ${descriptor.digest} is not in the store`, { hint: "pull or build the image again", cause });
}
