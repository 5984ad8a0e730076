import type { BytePath } from "@varve/bytes";
import type { Entry } from "./entry.ts";
import type { FileTree } from "./file-tree.ts";
import { MutableTree } from "./mutable-tree.ts";

/**
 * An entry for {@link TreeBuilder.set}. Entries that are set with the same `node` in one builder become hardlinks of one
 * another (if they agree in type and metadata); the number itself is not kept, and never joins an entry of the base.
 */
export type NewEntry = Omit<Entry, "node"> & { readonly node?: number };

/** Makes a {@link FileTree}, from nothing or from another tree, which stays as it is; untouched parts are shared. */
export interface TreeBuilder {
  /**
   * Puts an entry at its path. Missing parents are made (0755, 0:0, mtime 0); a directory keeps what is below it, anything else replaces
   * what was there. Throws LAYER_INVALID_ENTRY when the path is no tree path or leads through something that is no directory.
   */
  set(entry: NewEntry): void;
  /** Takes away a path and all below it; nothing happens when it isn't there. The root can't be taken away. */
  remove(path: BytePath): void;
  /** Makes `path` a hardlink of `target`, which must be there and no directory; else throws LAYER_INVALID_ENTRY. */
  link(path: BytePath, target: BytePath): void;
  /** The entry at exactly this path, as it is now. */
  lookup(path: BytePath): Entry | undefined;
  /** The tree; the builder can't be used afterwards. */
  finish(): FileTree;
}

/** Starts a tree: a copy of `base` (shared, not copied), or one empty root directory (0755, 0:0, mtime 0). */
export function createTreeBuilder(base?: FileTree): TreeBuilder {
  const tree = new MutableTree(base);
  return {
    set: (entry) => tree.set(entry),
    remove: (path) => tree.remove(path),
    link: (path, target) => tree.link(path, target),
    lookup: (path) => tree.lookup(path),
    finish: () => tree.finish(),
  };
}

/** A root directory (0755, 0:0, mtime 0) and nothing in it. */
export const EMPTY_TREE: FileTree = createTreeBuilder().finish();
