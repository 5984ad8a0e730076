import type { ByteStream } from "@varve/bytes";
import type { Descriptor } from "./descriptor.ts";
import type { Digest } from "./digest.ts";

/** Every I/O call takes one. */
export interface IOOptions {
  readonly signal?: AbortSignal | undefined;
}

/** Reads blobs and manifests by descriptor. */
export interface Fetcher {
  /**
   * The bytes a descriptor names. Digest and size are verified while streaming: the stream ends with STORE_DIGEST_MISMATCH
   * (or a package's own code) when they differ. Throws a `*_NOT_FOUND` code when there is no such content. The caller owns the stream.
   */
  fetch(descriptor: Descriptor, options?: IOOptions): Promise<ByteStream>;
}

/** Tells whether content is there, cheaply. */
export interface Existence {
  has(descriptor: Descriptor, options?: IOOptions): Promise<boolean>;
}

/** Stores blobs and manifests. */
export interface Pusher {
  /**
   * Stores what `open()` gives; idempotent. `open` may be called again when an upload must start over. Resolves only when the
   * content is stored under its digest; rejects on a digest or size mismatch, leaving nothing visible.
   */
  push(descriptor: Descriptor, open: () => Promise<ByteStream>, options?: IOOptions): Promise<void>;
}

/** Turns a tag (or a digest's text) into a descriptor. */
export interface Resolver {
  resolve(reference: string, options?: IOOptions): Promise<Descriptor>;
}

/** Names content. */
export interface Tagger {
  tag(descriptor: Descriptor, reference: string, options?: IOOptions): Promise<void>;
}

/** Takes a blob from another repository of the same registry without moving bytes (distribution-spec, "Mounting a blob"). */
export interface Mounter {
  /** `false` when the registry would rather have an upload. */
  mount(descriptor: Descriptor, fromRepository: string, options?: IOOptions): Promise<boolean>;
}

/** A place a graph can be copied from. */
export type Source = Fetcher & Resolver;
/** A place a graph can be copied to. */
export type Target = Existence & Pusher & Tagger & Partial<Mounter>;

/** Writes one blob whose digest is not known yet. Exactly one of `commit` and `abort` must be called. */
export interface BlobWriter {
  /** Once it resolves, the chunk may be used for other bytes. */
  write(chunk: Uint8Array): Promise<void>;
  /** Makes the blob visible; returns the digest and size of what was written. Throws, and leaves nothing visible, when `expected` differs. */
  commit(expected?: { readonly digest?: Digest; readonly size?: number }): Promise<{ readonly digest: Digest; readonly size: number }>;
  abort(): Promise<void>;
}

/** Creates blobs whose digest is found while writing. */
export interface BlobIngester {
  ingest(options?: IOOptions): Promise<BlobWriter>;
}

/** Part of a blob. No digest is verified; for readers that verify otherwise. */
export interface RangeFetcher {
  fetchRange(descriptor: Descriptor, offset: number, length: number, options?: IOOptions): Promise<ByteStream>;
}

/** A blob that is still being made. */
export interface GrowingBlob {
  /** Its bytes as they come, once; throws when there is no new blob after all. */
  readonly stream: ByteStream;
  /** Known when it is complete and verified; rejects when there will be none. */
  readonly descriptor: Promise<Descriptor>;
}
