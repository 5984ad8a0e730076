import { createHash, type Hash } from "node:crypto";
import { type FileHandle, lstat, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { type ByteStream, giveRoom, takeRoom } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import { type BlobWriter, type Digest, digestFromHex, type IOOptions } from "@varve/oci";
import { createGrowth, readGrowingFile } from "./growing-file.ts";
import { onDisk } from "./disk-error.ts";
import { syncDirectory } from "./durable-file.ts";

/** Pieces are gathered up to this many bytes for one write. */
const GATHER = 1024 * 1024;
/** Pieces from this size on are written where they lie, if they may be kept for that long. */
const WHOLE = 128 * 1024;
/** Bytes after which the disk is told to begin: the sync at the end, for which everybody waits, is short then. */
const SYNC_STEP = 32 * 1024 * 1024;

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

/** A {@link BlobWriter} of a store on disk. */
export interface FollowedWriter extends BlobWriter {
  /** As `write`, of bytes that are the writer's from then on: they are not copied, and their room is given back when they are written. */
  take(room: Uint8Array): Promise<void>;
  /** What is written, from the first byte, as it comes; it ends with `commit`, and throws when that makes no new blob, or is never called. */
  follow(): ByteStream;
}

/** Writes `ingest/<uuid>/<n>`; `commit` fsyncs, verifies and renames it into `blobs/`. One caller at a time. */
export class BlobFileWriter implements FollowedWriter, AsyncDisposable {
  readonly #place: BlobPlace;
  readonly #handle: FileHandle;
  readonly #hash: Hash = createHash("sha256");
  readonly #signal: AbortSignal | undefined;
  #room: Uint8Array | undefined;
  #gathered = 0;
  #writing: Promise<void> = Promise.resolve();
  #unsynced = 0;
  /** A sync that is under way. */
  #syncing: Promise<void> | undefined;
  /** What one before the last threw: Linux tells a failed write of a file once. */
  #unsyncable: { readonly error: unknown } | undefined;
  #size = 0;
  #published = "";
  #open = true;
  /** What whoever follows may read. */
  readonly #growth = createGrowth();

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
    this.#add(chunk);
    for (let rest = chunk; rest.length > 0;) {
      const room = (this.#room ??= takeRoom(GATHER));
      const now = rest.subarray(0, room.length - this.#gathered);
      room.set(now, this.#gathered);
      this.#gathered += now.length;
      rest = rest.subarray(now.length);
      if (this.#gathered === room.length) await this.#flush();
    }
  }

  async take(room: Uint8Array): Promise<void> {
    if (room.length < WHOLE) {
      await this.write(room);
      giveRoom(room);
      return;
    }
    this.#add(room);
    await this.#flush();
    await this.#begin(room, room);
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
    this.#growth.fail(new Error("a blob was not written to its end"));
    if (this.#room !== undefined) giveRoom(this.#room);
    try {
      // the handle must not close under a write
      await this.#writing.catch(() => undefined);
      await this.#syncing;
      await this.#handle.close();
      await rm(this.#place.temporary, { force: true });
    } finally {
      this.#place.closed(this);
    }
  }

  follow(): ByteStream {
    this.#assertOpen();
    // it may have been published before it is first read
    const openFile = (): Promise<FileHandle> => open(this.#place.temporary, "r").catch(() => open(this.#published, "r"));
    return readGrowingFile(() => onDisk("read a blob", openFile, this.#place.root), this.#growth);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.abort();
  }

  #add(chunk: Uint8Array): void {
    this.#assertOpen();
    this.#signal?.throwIfAborted();
    this.#hash.update(chunk);
    this.#size += chunk.length;
  }

  /** Begins to write what was gathered, if anything. */
  async #flush(): Promise<void> {
    const room = this.#room;
    if (room === undefined) return;
    const bytes = room.subarray(0, this.#gathered);
    this.#room = undefined;
    this.#gathered = 0;
    await this.#begin(bytes, room);
  }

  /** Waits for the write before, begins the next: hashing and the producer go on while the disk works. */
  async #begin(bytes: Uint8Array, room: Uint8Array): Promise<void> {
    await this.#writing;
    this.#writing = onDisk("write a blob", () => writeAll(this.#handle, bytes), this.#place.root).then(() => {
      this.#growth.add(bytes.length);
      giveRoom(room);
      this.#unsynced += bytes.length;
      if (this.#unsynced >= SYNC_STEP && this.#syncing === undefined) this.#syncAhead();
    });
    // thrown by the next one, or by commit
    this.#writing.catch(() => undefined);
  }

  #syncAhead(): void {
    this.#unsynced = 0;
    this.#syncing = this.#handle
      .datasync()
      .catch((error: unknown) => void (this.#unsyncable ??= { error }))
      .then(() => void (this.#syncing = undefined));
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
        await this.#syncing;
        if (this.#unsyncable !== undefined) throw this.#unsyncable.error;
        await this.#handle.sync();
        this.#published = path;
        await rename(this.#place.temporary, path);
        await syncDirectory(dirname(path));
      },
      this.#place.root,
    );
    this.#growth.end();
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

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    // a write may be short (a full disk, a signal)
    const { bytesWritten } = await handle.write(bytes, done);
    done += bytesWritten;
  }
}
