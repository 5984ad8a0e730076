export { chainIDs } from "./chain-id.ts";
export type { Change, ChangeSet } from "./change-set.ts";
export type { ContentReader, ContentRef, DiskStat } from "./content-ref.ts";
export type { Entry, EntryType } from "./entry.ts";
export { type SameContent, sameEntry, sameMetadata } from "./entry-comparison.ts";
export type { FileTree } from "./file-tree.ts";
export { type ResolvedPath, type ResolveOptions, resolvePath } from "./path-resolution.ts";
export { createTreeBuilder, EMPTY_TREE, type NewEntry, type TreeBuilder } from "./tree-builder.ts";
export { applyChanges, diffTrees, withParents } from "./tree-diff.ts";
