import type { BytePath, ByteStream } from "@varve/bytes";
import type { DiffID, Digest, IOOptions } from "@varve/oci";
import type { Segment } from "./layer-index.ts";

/** Where the bytes of a file are: data, opened by a {@link ContentReader}. */
export type ContentRef =
  /** In a layer's uncompressed tar. */
  | { readonly kind: "layer"; readonly diffID: DiffID; readonly offset: number; readonly size: number; readonly digest?: Digest }
  /** In the host's file system; the stat it had when it was listed, by which a change while building is detected. */
  | { readonly kind: "disk"; readonly path: BytePath; readonly size: number; readonly stat: DiskStat }
  /** At hand (heredocs, generated files). */
  | { readonly kind: "bytes"; readonly bytes: Uint8Array; readonly size: number }
  /** In a root filesystem only its snapshotter can read (other owners, a mount namespace). */
  | { readonly kind: "snapshot"; readonly snapshot: string; readonly path: BytePath; readonly size: number; readonly digest?: Digest };

/** What identifies a file's state on disk; times in nanoseconds, as decimal strings. */
export interface DiskStat {
  readonly device: string;
  readonly inode: string;
  readonly mtimeNs: string;
  readonly ctimeNs: string;
}

/** A content and where its first byte goes in a buffer. */
export interface PlacedContent {
  readonly ref: ContentRef;
  readonly offset: number;
}

/** Files on disk and where they go in a buffer, in columns. */
export interface PlacedFiles {
  /** Host paths in bytes, a NUL between them. */
  readonly paths: Uint8Array;
  /** Five a file: device, inode, size, mtime and ctime in nanoseconds, as it was listed. */
  readonly states: BigInt64Array<ArrayBuffer>;
  /** Where in the buffer each begins. */
  readonly offsets: Float64Array<ArrayBuffer>;
}

/** Reads many small contents at once, which costs less than opening each. */
export interface ContentBatches {
  /** Whether {@link readInto} reads this one. */
  takes(ref: ContentRef): boolean;
  /**
   * Puts contents, if any, into a buffer, each at its offset. Other threads do it where the buffer is shared memory and it is worth it; it must not be used
   * meanwhile.
   */
  readInto(bytes: Uint8Array, contents: readonly PlacedContent[], options?: FillOptions): Promise<FilledBytes>;
  /** As {@link readInto}, where all are files on disk whose digests are known. */
  readFiles?(bytes: Uint8Array, files: PlacedFiles, options?: FillOptions): Promise<Omit<FilledBytes, "digests">>;
}

/** How {@link ContentBatches.readInto} is to be done. */
export interface FillOptions extends IOOptions {
  /** What the whole buffer should come to: when it has this CRC, it is not hashed. */
  readonly expected?: Pick<Segment, "digest" | "crc32"> | undefined;
}

/** What a buffer holds that was filled. */
export interface FilledBytes {
  /** sha256 of each content. */
  readonly digests: readonly Digest[];
  /** sha256 of the buffer, or what was expected to be it. */
  readonly whole: Digest;
  /** CRC-32 of the buffer, where it was computed. */
  readonly crc32?: number | undefined;
}

/** Opens contents. The stream gives exactly `ref.size` bytes or throws. */
export interface ContentReader {
  open(ref: ContentRef, options?: IOOptions): Promise<ByteStream>;
  /** sha256 of the content; from an index or stat cache where one has it. */
  digest(ref: ContentRef, options?: IOOptions): Promise<Digest>;
  readonly batches?: ContentBatches;
  /** Hears of a digest that whoever read all of a content found; `since` is when reading began, milliseconds since the epoch. */
  learn?(ref: ContentRef, digest: Digest, since: number): void;
}
