import { createHash, type Hash } from "node:crypto";
import { type FileHandle, lstat, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { VarveError } from "@varve/errors";
import { type BlobWriter, type Digest, digestFromHex, type IOOptions } from "@varve/oci";
import { onDisk } from "./disk-error.ts";
import { syncDirectory } from "./durable-file.ts";

/** Small pieces are gathered up to this many bytes for one write. */
const GATHER = 512 * 1024;

/** What {@link BlobFileWriter} needs to know of its store. */
export interface BlobPlace {
  readonly temporary: string;
  /** The store's folder, for errors. */
  readonly root: string;
  /** Where a blob of this digest belongs. */
  blobPath(digest: Digest): string;
  /** Called once the writer holds nothing any more. */
  closed(writer: BlobFileWriter): void;
}

/** Writes `ingest/<uuid>/<n>`; `commit` fsyncs, verifies and renames it into `blobs/`. One caller at a time. */
export class BlobFileWriter implements BlobWriter, AsyncDisposable {
  readonly #place: BlobPlace;
  readonly #handle: FileHandle;
  readonly #hash: Hash = createHash("sha256");
  readonly #signal: AbortSignal | undefined;
  #gathered: Uint8Array[] = [];
  #gatheredSize = 0;
  #writing: Promise<void> = Promise.resolve();
  #size = 0;
  #open = true;

  private constructor(place: BlobPlace, handle: FileHandle, signal: AbortSignal | undefined) {
    this.#place = place;
    this.#handle = handle;
    this.#signal = signal;
  }

  static async create(place: BlobPlace, options?: IOOptions): Promise<BlobFileWriter> {
    options?.signal?.throwIfAborted();
    const handle = await onDisk("create a blob", () => open(place.temporary, "wx", 0o600), place.root);
    return new BlobFileWriter(place, handle, options?.signal);
  }

  /** Bytes written so far. */
  get size(): number {
    return this.#size;
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#assertOpen();
    this.#signal?.throwIfAborted();
    this.#hash.update(chunk);
    this.#size += chunk.length;
    this.#gathered.push(chunk);
    this.#gatheredSize += chunk.length;
    if (this.#gatheredSize >= GATHER) await this.#flush();
  }

  async commit(expected: { readonly digest?: Digest; readonly size?: number } = {}): Promise<{ readonly digest: Digest; readonly size: number }> {
    this.#assertOpen();
    try {
      this.#signal?.throwIfAborted();
      const digest = digestFromHex(this.#hash.digest("hex"));
      const size = this.#size;
      verifyBlob({ digest, size }, expected);
      await this.#publish(this.#place.blobPath(digest), size);
      return { digest, size };
    } finally {
      await this.abort();
    }
  }

  async abort(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    this.#gathered = [];
    try {
      // the handle must not close under a write
      await this.#writing.catch(() => undefined);
      await this.#handle.close();
      await rm(this.#place.temporary, { force: true });
    } finally {
      this.#place.closed(this);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.abort();
  }

  /** Waits for the write before, begins the next: hashing and the producer go on while the disk works. */
  async #flush(): Promise<void> {
    await this.#writing;
    const pieces = this.#gathered;
    const size = this.#gatheredSize;
    this.#gathered = [];
    this.#gatheredSize = 0;
    this.#writing = onDisk("write a blob", () => writePieces(this.#handle, pieces, size), this.#place.root);
    // thrown by the next flush, or by commit
    this.#writing.catch(() => undefined);
  }

  async #publish(path: string, size: number): Promise<void> {
    // the same content is there already: it was synced by whoever put it there, and fsync is the dear part
    if (await isBlobFile(path, size)) return;
    await this.#flush();
    await this.#writing;
    await onDisk(
      "store a blob",
      async () => {
        await this.#handle.chmod(0o400);
        await this.#handle.sync();
        await rename(this.#place.temporary, path);
        await syncDirectory(dirname(path));
      },
      this.#place.root,
    );
  }

  #assertOpen(): void {
    if (!this.#open) throw new Error("blob writer used after commit or abort");
  }
}

/** Bytes of the regular file at `path`; undefined when there is none. */
export async function blobFileSize(path: string): Promise<number | undefined> {
  return lstat(path).then(
    (file) => (file.isFile() ? file.size : undefined),
    () => undefined,
  );
}

/** Whether a regular file of this size is at `path`. */
export async function isBlobFile(path: string, size: number): Promise<boolean> {
  return lstat(path).then(
    (file) => file.isFile() && file.size === size,
    () => false,
  );
}

/** What is to be done about bytes that are not what they were announced as. */
export const DAMAGED = "something on the way changed what a registry or an archive gave: fetch it again; a damaged store is emptied with varve prune --all";

/** Throws STORE_DIGEST_MISMATCH unless `actual` is what was expected. */
export function verifyBlob(actual: { readonly digest: Digest; readonly size: number }, expected: { readonly digest?: Digest; readonly size?: number }): void {
  if (expected.size !== undefined && expected.size !== actual.size) {
    throw new VarveError("STORE_DIGEST_MISMATCH", `blob ${expected.digest ?? actual.digest} has ${actual.size} bytes instead of ${expected.size}`, {
      hint: DAMAGED,
    });
  }
  if (expected.digest !== undefined && expected.digest !== actual.digest) {
    throw new VarveError("STORE_DIGEST_MISMATCH", `blob ${expected.digest} has the digest ${actual.digest} instead`, { hint: DAMAGED });
  }
}

async function writePieces(handle: FileHandle, pieces: Uint8Array[], size: number): Promise<void> {
  for (let left = size; left > 0;) {
    // a write may be short (a full disk, a signal): drop what went out and go on with the rest
    const { bytesWritten } = await handle.writev(pieces);
    left -= bytesWritten;
    dropBytes(pieces, bytesWritten);
  }
}

function dropBytes(pieces: Uint8Array[], count: number): void {
  let left = count;
  while (left > 0) {
    const first = pieces[0];
    if (first === undefined) return;
    if (first.length <= left) pieces.shift();
    else pieces[0] = first.subarray(left);
    left -= Math.min(left, first.length);
  }
}
