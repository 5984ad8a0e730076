import type { BytePath, ByteStream } from "@varve/bytes";
import type { DiffID, Digest, IOOptions } from "@varve/oci";

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

/** Opens contents. The stream gives exactly `ref.size` bytes or throws. */
export interface ContentReader {
  open(ref: ContentRef, options?: IOOptions): Promise<ByteStream>;
  /** sha256 of the content; from an index or stat cache where one has it. */
  digest(ref: ContentRef, options?: IOOptions): Promise<Digest>;
}
