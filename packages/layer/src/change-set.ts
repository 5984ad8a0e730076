import type { BytePath } from "@varve/bytes";
import type { Entry } from "./entry.ts";

/** One difference. `path` of a deletion is there in the base. A file that replaces a directory deletes what was below it. */
export type Change =
  | { readonly kind: "added" | "modified"; readonly path: BytePath; readonly entry: Entry }
  | { readonly kind: "deleted"; readonly path: BytePath };

/**
 * The difference of two trees, sorted as a walk (`comparePaths`). Deleted directories appear once, not with all below. In a set that is
 * written as a layer, the parents of changed paths are present too (as `modified` with their current metadata).
 */
export interface ChangeSet {
  /** Can be gone through any number of times; changes may be made each time, so that a million of them need no memory. */
  readonly changes: Iterable<Change>;
  /** Whether several of the entries may have this node number. Without it any may. */
  isLinked?(node: number): boolean;
}
