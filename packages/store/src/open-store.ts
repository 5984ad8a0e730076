import { createHash } from "node:crypto";
import { mkdirSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { ByteStream } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import { type Descriptor, type Digest, digestHex, type DiffID, type Index, type IOOptions, isDigest, parseDiffID, parseDigest } from "@varve/oci";
import { blobNotFound, type OpenBlob, openStoredBlob, readBlob, readBlobRange, type StoredBlob } from "./blob-reader.ts";
import { blobFileSize, BlobFileWriter, type FollowedWriter, isBlobFile, verifyBlob } from "./blob-writer.ts";
import { errnoOf, onDisk } from "./disk-error.ts";
import { replaceDurably } from "./durable-file.ts";
import { acquireLock, type Flock, tryLock } from "./file-lock.ts";
import { type IngestSession, openIngestSession } from "./ingest-session.ts";
import { takeLease, type UnleasedOptions, whileUnleased } from "./lease.ts";
import { readLayerIndexFile, writeLayerIndexFile } from "./layer-index-file.ts";
import { prepareLayout } from "./layout-folder.ts";
import { manifestDescriptor } from "./manifest-descriptor.ts";
import { encodeRefIndex, isRef, readRefIndex, refsOf, withoutRef, withRef } from "./ref-index.ts";
import type { Lock, Ref, Store, StoredFile, StoredKind } from "./store.ts";
import { listStored } from "./stored-files.ts";

/** Where the store is. */
export interface OpenStoreOptions extends IOOptions {
  /** Created, mode 0700, when missing. */
  readonly root: string;
}

/** Opens the store at `root`; creates it when missing. Several processes may. Throws STORE_IO, STORE_UNSUPPORTED_LAYOUT or STORE_CORRUPT_INDEX. */
export async function openStore(options: OpenStoreOptions): Promise<Store> {
  options.signal?.throwIfAborted();
  const root = resolve(options.root);
  await prepareLayout(root);
  return new DiskStore(root);
}

class DiskStore implements Store {
  readonly root: string;
  readonly #writers = new Set<BlobFileWriter>();
  #session: Promise<IngestSession> | undefined;
  #indexChange: Promise<unknown> = Promise.resolve();

  constructor(root: string) {
    this.root = root;
  }

  async fetch(descriptor: Descriptor, options?: IOOptions): Promise<ByteStream> {
    options?.signal?.throwIfAborted();
    const blob = this.#blob(descriptor);
    await this.#assertStored(blob);
    return readBlob(blob, options);
  }

  async fetchRange(descriptor: Descriptor, offset: number, length: number, options?: IOOptions): Promise<ByteStream> {
    options?.signal?.throwIfAborted();
    if (!isRange(offset, length) || offset + length > descriptor.size) {
      throw new VarveError("STORE_RANGE", `bytes ${offset} to ${offset + length} of blob ${descriptor.digest} lie outside its ${descriptor.size} bytes`);
    }
    const blob = this.#blob(descriptor);
    await this.#assertStored(blob);
    return readBlobRange(blob, { offset, length }, options);
  }

  async openBlob(descriptor: Descriptor, options?: IOOptions): Promise<OpenBlob> {
    options?.signal?.throwIfAborted();
    const blob = this.#blob(descriptor);
    await this.#assertStored(blob);
    return openStoredBlob(blob);
  }

  async has(descriptor: Descriptor, options?: IOOptions): Promise<boolean> {
    options?.signal?.throwIfAborted();
    return isBlobFile(this.#blobPath(descriptor.digest), descriptor.size);
  }

  async blobSize(digest: Digest, options?: IOOptions): Promise<number | undefined> {
    options?.signal?.throwIfAborted();
    return blobFileSize(this.#blobPath(digest));
  }

  async push(descriptor: Descriptor, open: () => Promise<ByteStream>, options?: IOOptions): Promise<void> {
    if (await this.has(descriptor, options)) return;
    const writer = await this.#createWriter(options);
    try {
      for await (const piece of await open()) {
        await writer.write(piece);
        // more than announced: don't let a hostile source fill the disk before the digest is known
        if (writer.size > descriptor.size) verifyBlob({ digest: descriptor.digest, size: writer.size }, descriptor);
      }
      await writer.commit(descriptor);
    } finally {
      await writer.abort();
    }
  }

  async ingest(options?: IOOptions): Promise<FollowedWriter> {
    return this.#createWriter(options);
  }

  async resolve(reference: string, options?: IOOptions): Promise<Descriptor> {
    options?.signal?.throwIfAborted();
    const refs = refsOf(await readRefIndex(this.#indexPath()));
    const named = refs.find((ref) => ref.name === reference);
    if (named !== undefined) return named.descriptor;
    const digest = reference.slice(reference.lastIndexOf("@") + 1);
    if (!isDigest(digest)) throw refNotFound(reference);
    const known = refs.find((ref) => ref.descriptor.digest === digest);
    return known?.descriptor ?? (await manifestDescriptor(this.#blobPath(digest), digest)) ?? raise(refNotFound(reference));
  }

  async tag(descriptor: Descriptor, reference: string, options?: IOOptions): Promise<void> {
    if (reference === "") throw new VarveError("STORE_INVALID_NAME", "a ref needs a name");
    if (!(await this.has(descriptor, options))) throw blobNotFound(descriptor);
    // who only says again what is said already needs no lock, nor the disk's patience
    if (isRef(await readRefIndex(this.#indexPath()), reference, descriptor)) return;
    await this.#changeIndex((index) => withRef(index, reference, descriptor), options);
  }

  async untag(name: string, options?: IOOptions): Promise<boolean> {
    let found = false;
    await this.#changeIndex((index) => {
      const next = withoutRef(index, name);
      found = next.manifests.length < index.manifests.length;
      return found ? next : index;
    }, options);
    return found;
  }

  async refs(options?: IOOptions): Promise<readonly Ref[]> {
    options?.signal?.throwIfAborted();
    return refsOf(await readRefIndex(this.#indexPath()));
  }

  async entries(options?: IOOptions): Promise<readonly Descriptor[]> {
    options?.signal?.throwIfAborted();
    return (await readRefIndex(this.#indexPath())).manifests;
  }

  stored(kind: StoredKind): Promise<readonly StoredFile[]> {
    return listStored(kind, kind === "blob" ? join(this.root, "blobs", "sha256") : join(this.root, "layers"));
  }

  async discard(kind: StoredKind, digest: Digest | DiffID): Promise<void> {
    const path = kind === "blob" ? this.#blobPath(parseDigest(digest)) : this.#layerIndexPath(parseDiffID(digest));
    await onDisk(`remove a ${kind}`, () => rm(path, { force: true }));
  }

  async lease(options?: IOOptions): Promise<AsyncDisposable> {
    const held = await onDisk("lease the store", () => takeLease(join(this.root, "leases"), options?.signal));
    return { [Symbol.asyncDispose]: () => held.release() };
  }

  whileUnleased<T>(work: () => Promise<T>, options: UnleasedOptions = {}): Promise<T> {
    return whileUnleased(join(this.root, "leases"), work, options);
  }

  async readLayerIndex(diffID: DiffID, options?: IOOptions): Promise<Uint8Array | undefined> {
    options?.signal?.throwIfAborted();
    return readLayerIndexFile(this.#layerIndexPath(diffID));
  }

  async hasLayerIndex(diffID: DiffID, options?: IOOptions): Promise<boolean> {
    options?.signal?.throwIfAborted();
    return (await blobFileSize(this.#layerIndexPath(diffID))) !== undefined;
  }

  async writeLayerIndex(diffID: DiffID, pieces: readonly Uint8Array[], options?: IOOptions): Promise<void> {
    options?.signal?.throwIfAborted();
    const session = await this.#ingestSession();
    await writeLayerIndexFile(this.#layerIndexPath(diffID), session.temporary(), pieces);
  }

  async directory(...segments: readonly string[]): Promise<string> {
    for (const segment of segments) assertFolderNames(segment);
    let path = this.root;
    for (const name of segments.flatMap((segment) => segment.split("/"))) {
      path = join(path, name);
      // at once: it is nearly always there, and a trip to the thread pool takes longer
      await onDisk(`create the folder ${path}`, async () => makeFolder(path));
    }
    return path;
  }

  async lock(name: string, mode: "shared" | "exclusive", options?: IOOptions): Promise<Lock> {
    const held = await onDisk(`lock ${name}`, () => acquireLock(this.#lockPath(name), mode, options?.signal));
    return { name, [Symbol.asyncDispose]: () => held.release() };
  }

  async tryLock(name: string, mode: "shared" | "exclusive", flock?: Flock): Promise<Lock | undefined> {
    const held = await onDisk(`lock ${name}`, () => tryLock(this.#lockPath(name), mode, { flock }));
    return held === undefined ? undefined : { name, [Symbol.asyncDispose]: () => held.release() };
  }

  /** Aborts what is unfinished; the store can't be written to afterwards. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#writers].map((writer) => writer.abort()));
    const session = await this.#session?.catch(() => undefined);
    this.#session = undefined;
    await session?.close();
  }

  #lockPath(name: string): string {
    return join(this.root, "locks", createHash("sha256").update(name).digest("hex"));
  }

  #blobPath(digest: Digest): string {
    return join(this.root, "blobs", "sha256", digestHex(digest));
  }

  #layerIndexPath(diffID: DiffID): string {
    return join(this.root, "layers", `${digestHex(diffID)}.idx`);
  }

  #indexPath(): string {
    return join(this.root, "index.json");
  }

  #blob(descriptor: Descriptor): StoredBlob {
    const path = this.#blobPath(descriptor.digest);
    return { path, descriptor, onCorrupt: () => this.#setAside(path, descriptor.digest) };
  }

  /** A corrupt blob would be taken for present for ever; out of the way, the next pull or build makes it anew. */
  async #setAside(path: string, digest: Digest): Promise<void> {
    try {
      await rename(path, join(await this.directory("corrupt"), digestHex(digest)));
    } catch {
      // a store that can't be written to: the mismatch itself is the error to report
    }
  }

  async #assertStored(blob: StoredBlob): Promise<void> {
    const present = await isBlobFile(blob.path, blob.descriptor.size);
    if (present) return;
    for await (const _ of readBlob(blob)) break;
  }

  #ingestSession(): Promise<IngestSession> {
    if (this.#session === undefined) {
      const opening = onDisk("write to the store", () => openIngestSession(join(this.root, "ingest")));
      this.#session = opening;
      // a failed start must not stick
      opening.catch(() => {
        if (this.#session === opening) this.#session = undefined;
      });
    }
    return this.#session;
  }

  async #createWriter(options?: IOOptions): Promise<BlobFileWriter> {
    options?.signal?.throwIfAborted();
    const session = await this.#ingestSession();
    const place = {
      temporary: session.temporary(),
      root: this.root,
      blobPath: (digest: Digest) => this.#blobPath(digest),
      closed: (closed: BlobFileWriter) => void this.#writers.delete(closed),
    };
    const writer = await BlobFileWriter.create(place, options);
    this.#writers.add(writer);
    return writer;
  }

  /** Changes of one process queue here, those of several at the lock. */
  #changeIndex(change: (index: Index) => Index, options?: IOOptions): Promise<void> {
    const turn = this.#indexChange.then(async () => {
      const session = await this.#ingestSession();
      await using _lock = await this.lock("index.json", "exclusive", options);
      const index = await readRefIndex(this.#indexPath());
      const next = change(index);
      if (next !== index) await onDisk("write index.json", () => replaceDurably(this.#indexPath(), session.temporary(), encodeRefIndex(next)));
    });
    this.#indexChange = turn.catch(() => undefined);
    return turn;
  }
}

function isRange(offset: number, length: number): boolean {
  return Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0;
}

function refNotFound(reference: string): VarveError {
  return new VarveError("STORE_REF_NOT_FOUND", `image ${JSON.stringify(reference)} is not in the store`, { hint: "varve images lists those that are" });
}

function assertFolderNames(segment: string): void {
  const plain = segment.split("/").every((name) => name !== "" && name !== "." && name !== ".." && !name.includes("\0"));
  if (!plain) throw new VarveError("STORE_INVALID_NAME", `${JSON.stringify(segment)} cannot name a folder of the store`);
}

function raise(error: Error): never {
  throw error;
}

/** One level: of a disk that is read-only, Node's recursive mkdir says that the folder is not there. */
function makeFolder(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw error;
  }
}
