import type { BytePath } from "@varve/bytes";
import type { Entry } from "./entry.ts";

/**
 * An immutable tree of files: a build context, an image, a stage, an archive. Every entry's parent is an entry; the root (`""`) is
 * always there and a directory. Storage is hidden: entries are made when asked for.
 */
export interface FileTree {
  /** Entries, the root included. */
  readonly size: number;
  /** The entry at exactly this path, no symlink followed. */
  lookup(path: BytePath): Entry | undefined;
  /** Names of a directory's children by bytes; empty when the path is no directory. */
  list(directory: BytePath): readonly BytePath[];
  /** `from` (default the root) and all below it, parents first, siblings by bytes. Nothing when `from` is not there. */
  walk(from?: BytePath): Iterable<Entry>;
  /** Whether several entries may have this node number; `false` spares whoever looks for hardlinks remembering it. */
  isLinked(node: number): boolean;
}
