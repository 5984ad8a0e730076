import { createHash, randomBytes, randomUUID } from "node:crypto";
import { type FileHandle, mkdir, open, rm } from "node:fs/promises";
import { join } from "node:path";
import type { ByteStream } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import { type ContentRef } from "@varve/layer";
import { type Digest, type DiffID, digestFromHex, type IOOptions } from "@varve/oci";
import type { OwningReader } from "./context.ts";

/** Bytes kept on disk for the length of a build: a downloaded file, an uncompressed archive. Dispose to free them. */
export interface Spool extends AsyncDisposable {
  /** Passes a stream on while keeping a copy of what went by. */
  keep(stream: ByteStream): ByteStream;
  /** A reference to a stretch, to be opened once it was kept; `size` and `offset` in bytes. */
  ref(offset: number, size: number): ContentRef;
  /** sha256 of all that was kept. */
  digest(): Digest;
  /** Bytes kept so far. */
  readonly size: number;
  readonly reader: OwningReader;
}

const PIECE = 256 * 1024;

/**
 * Creates a spool below `directory`. The file has no name any more once this returns, so that not even a crash leaves it behind.
 */
export async function createSpool(directory: string): Promise<Spool> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const path = join(directory, `spool-${randomUUID()}`);
  const handle = await open(path, "wx+", 0o600);
  await rm(path);
  const hash = createHash("sha256");
  let size = 0;
  let finished: Digest | undefined;
  const digest = (): Digest => (finished ??= digestFromHex(hash.digest("hex")));
  // as a stretch of a layer; which one nobody else needs to know
  const id = digestFromHex(randomBytes(32).toString("hex")) as string as DiffID;
  return {
    get size() {
      return size;
    },
    async *keep(stream) {
      for await (const piece of stream) {
        await writeAll(handle, piece, size).catch((cause: unknown) => refuse(directory, cause));
        hash.update(piece);
        size += piece.length;
        yield piece;
      }
    },
    ref: (offset, length) => ({ kind: "layer", diffID: id, offset, size: length }),
    digest,
    reader: createSpoolReader(handle, id),
    [Symbol.asyncDispose]: () => handle.close(),
  };
}

function createSpoolReader(handle: FileHandle, own: DiffID): OwningReader {
  return {
    owns: (ref) => ref.kind === "layer" && ref.diffID === own,
    open: (ref, options) => Promise.resolve(readStretch(handle, ref, options)),
    async digest(ref, options) {
      const hash = createHash("sha256");
      for await (const piece of readStretch(handle, ref, options)) hash.update(piece);
      return digestFromHex(hash.digest("hex"));
    },
  };
}

async function* readStretch(handle: FileHandle, ref: ContentRef, options: IOOptions | undefined): AsyncGenerator<Uint8Array, void, undefined> {
  if (ref.kind !== "layer") throw new TypeError(`a spool cannot open a ${ref.kind} reference`);
  const end = ref.offset + ref.size;
  for (let at = ref.offset; at < end;) {
    options?.signal?.throwIfAborted();
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(Math.min(PIECE, end - at)), 0, Math.min(PIECE, end - at), at);
    if (bytesRead === 0) throw new TypeError("a spool is shorter than a reference into it");
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

function refuse(directory: string, cause: unknown): never {
  const { message, code } = cause as NodeJS.ErrnoException;
  const full = code === "ENOSPC" || code === "EDQUOT";
  throw new VarveError("CONTEXT_UNREADABLE", `cannot put the context aside in ${directory}: ${full ? "no space left" : message}`, {
    hint: full ? "free some space there, or set VARVE_HOME to a larger disk" : undefined,
    cause,
  });
}

async function writeAll(handle: FileHandle, piece: Uint8Array, position: number): Promise<void> {
  for (let written = 0; written < piece.length;) {
    const { bytesWritten } = await handle.write(piece, written, piece.length - written, position + written);
    written += bytesWritten;
  }
}
