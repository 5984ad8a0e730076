export type { Change, ChangeSet } from "./change-set.ts";
export type { ContentReader, ContentRef, DiskStat } from "./content-ref.ts";
export type { Entry, EntryType } from "./entry.ts";
export type { FileTree } from "./file-tree.ts";
