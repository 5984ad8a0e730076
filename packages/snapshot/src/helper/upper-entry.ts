import type { BytePath } from "@varve/bytes";

/** What the upper directory of an overlay holds at a path: a candidate for a change, as it travels to the main process. */
export interface UpperEntry {
  readonly path: BytePath;
  readonly type: "file" | "directory" | "symlink" | "fifo" | "char" | "block";
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Whole seconds, rounded down. */
  readonly mtime: number;
  readonly size: number;
  readonly target?: BytePath;
  readonly major?: number;
  readonly minor?: number;
  /** Inode, where the file has several names. */
  readonly inode?: string;
  /** Base64 by name; those that overlayfs keeps for itself are left out. */
  readonly xattrs?: Readonly<Record<string, string>>;
  /** Of a directory that was there before: names of the merged directory. What the tree has beyond them is gone. */
  readonly names?: readonly BytePath[];
}
