export { chainIDs } from "./chain-id.ts";
export type { Change, ChangeSet } from "./change-set.ts";
export type { ContentBatches, ContentReader, ContentRef, DiskStat, FilledBytes, FillOptions, PlacedContent, PlacedFiles } from "./content-ref.ts";
export type { Entry, EntryType } from "./entry.ts";
export { type SameContent, sameEntry, sameMetadata } from "./entry-comparison.ts";
export type { FileTree } from "./file-tree.ts";
export type { LayerEntry, LayerEntryKind } from "./layer-entry.ts";
export { decodeLayerIndex, encodeLayerIndex, type LayerIndex, type MemberCheck, type Segment, type SegmentTable, withSegmentTable } from "./layer-index.ts";
export { indexLayer } from "./layer-indexing.ts";
export { type DiskList, ListedContent } from "./listed-content.ts";
export { mergeLayer } from "./layer-merge.ts";
export { type LayerTar, type LayerWriteOptions, writeLayerTar } from "./layer-writer.ts";
export { mapInOrder } from "./ordered-work.ts";
export { type ResolvedPath, type ResolveOptions, resolvePath } from "./path-resolution.ts";
export {
  type CompressedLayer,
  compressLayer,
  compressSegments,
  type Member,
  type SegmentCompressionOptions,
  segmentTar,
  type TarSegment,
} from "./segment-compression.ts";
export { type EntryChange, type LayerReplay, replayLayer } from "./replay/layer-replay.ts";
export { type ReplayFiles, replayLayerTar } from "./replay/replay-tar.ts";
export { cutsOf, type SegmentCuts } from "./segment-cuts.ts";
export { createTreeBuilder, EMPTY_TREE, type NewEntry, type TreeBuilder } from "./tree-builder.ts";
export { applyChanges, diffTrees, withParents } from "./tree-diff.ts";
