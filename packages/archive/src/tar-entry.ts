import type { BytePath } from "@varve/bytes";

/** The kinds of entry a layer can hold (POSIX ustar typeflags 0 1 2 3 4 5 6). */
export type TarEntryType = "file" | "hardlink" | "symlink" | "char" | "block" | "directory" | "fifo";

/** One entry of a tar, PAX and GNU records already applied. */
export interface TarHeader {
  /** As stored: leading `/` or `./` and a directory's trailing `/` are kept, so that checks can see them. */
  readonly name: BytePath;
  readonly type: TarEntryType;
  /** 0o7777 bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of content that follow; 0 for all but files. */
  readonly size: number;
  /** Seconds since the epoch; may have a fraction, may be negative. */
  readonly mtime: number;
  /** Target of a hardlink or symlink, bytes kept; `""` for others. */
  readonly linkName: BytePath;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
  readonly userName: string;
  readonly groupName: string;
  /** `SCHILY.xattr.*` records: name (byte string) → raw bytes. */
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
}
