import type { BlobIngester, Descriptor, DiffID, Digest, Existence, Fetcher, IOOptions, Pusher, RangeFetcher, Resolver, Tagger } from "@varve/oci";
import type { Flock } from "./file-lock.ts";
import type { OpenBlob } from "./blob-reader.ts";
import type { FollowedWriter } from "./blob-writer.ts";
import type { UnleasedOptions } from "./lease.ts";

/** A lock that the kernel frees when its process dies. */
export interface Lock extends AsyncDisposable {
  readonly name: string;
}

/** What the store keeps by digest. */
export type StoredKind = "blob" | "layer index";

/** A file that the store keeps by digest. */
export interface StoredFile {
  readonly digest: Digest | DiffID;
  readonly bytes: number;
  /** Milliseconds since the epoch. */
  readonly written: number;
}

/** A named descriptor of `index.json`. */
export interface Ref {
  /** The full normalised reference, e.g. `docker.io/library/app:latest`. */
  readonly name: string;
  readonly descriptor: Descriptor;
}

/**
 * A content-addressed blob store on disk that is an OCI image layout (image-spec image-layout.md). Several processes may share
 * one. A blob is visible only when complete and verified; every `fetch` verifies digest and size.
 */
export interface Store extends Fetcher, RangeFetcher, Existence, Pusher, Resolver, Tagger, BlobIngester, AsyncDisposable {
  ingest(options?: IOOptions): Promise<FollowedWriter>;
  /** Absolute path. */
  readonly root: string;
  /** A folder of the store (made when missing, 0700), e.g. `snapshots`, `cache/steps`; for packages that keep rebuildable things. */
  directory(...segments: readonly string[]): Promise<string>;
  /** Opens a stored blob for many reads; the caller disposes. As with `fetchRange`, no digest is verified. */
  openBlob(descriptor: Descriptor, options?: IOOptions): Promise<OpenBlob>;
  /** Bytes of a stored blob; `undefined` when there is none. Nothing is read or verified. */
  blobSize(digest: Digest, options?: IOOptions): Promise<number | undefined>;
  /** Every ref, sorted by name. */
  refs(options?: IOOptions): Promise<readonly Ref[]>;
  /** Removes a name; blobs stay until gc. `false` when there was none. */
  untag(name: string, options?: IOOptions): Promise<boolean>;
  /** The stored layer index, as `@varve/layer` encoded it. */
  readLayerIndex(diffID: DiffID, options?: IOOptions): Promise<Uint8Array | undefined>;
  /** Whether there is one, damaged or not: it can be made again from its layer. */
  hasLayerIndex(diffID: DiffID, options?: IOOptions): Promise<boolean>;
  writeLayerIndex(diffID: DiffID, pieces: readonly Uint8Array[], options?: IOOptions): Promise<void>;
  /** Every entry of `index.json`, also those without a name that other programs made. */
  entries(options?: IOOptions): Promise<readonly Descriptor[]>;
  /** All blobs, or all layer indexes (by the layer's diffID). */
  stored(kind: StoredKind): Promise<readonly StoredFile[]>;
  /** Removes a blob or layer index, whoever needs it; see {@link Store.whileUnleased}. */
  discard(kind: StoredKind, digest: Digest | DiffID): Promise<void>;
  /** Keeps everything from being pruned until it is disposed. Whoever relies on what the store has, or makes what no name stands for yet, holds one. */
  lease(options?: IOOptions): Promise<AsyncDisposable>;
  /** Waits until nobody holds a lease, then does `work` while nobody gets one. */
  whileUnleased<T>(work: () => Promise<T>, options?: UnleasedOptions): Promise<T>;
  /** Waits for a lock (`flock(2)`); names are hashed before they name a file. */
  lock(name: string, mode: "shared" | "exclusive", options?: IOOptions): Promise<Lock>;
  /** As `lock`, without waiting: `undefined` when another holds it. `flock` is asked before a program is started for it. */
  tryLock(name: string, mode: "shared" | "exclusive", flock?: Flock): Promise<Lock | undefined>;
}
