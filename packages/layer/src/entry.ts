import type { BytePath } from "@varve/bytes";
import type { ContentRef } from "./content-ref.ts";

/** What a tree can hold. Sockets never enter one; hardlinks are entries that share a `node`. */
export type EntryType = "file" | "directory" | "symlink" | "fifo" | "char" | "block";

/** One path of a {@link FileTree}. */
export interface Entry {
  readonly path: BytePath;
  readonly type: EntryType;
  /** 0o7777 bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Whole seconds since the epoch. */
  readonly mtime: number;
  /** Bytes; 0 for all but files. */
  readonly size: number;
  /** Of a symlink, bytes verbatim. */
  readonly linkTarget?: BytePath;
  /** Of a char or block device. */
  readonly device?: { readonly major: number; readonly minor: number };
  /** Absent when there are none. */
  readonly xattrs?: ReadonlyMap<string, Uint8Array>;
  /** Entries of one tree with the same number are hardlinks of one file; unique within a tree, without meaning across trees. */
  readonly node: number;
  /** Where a file's bytes are; present on every file (size 0 included). */
  readonly content?: ContentRef;
}
