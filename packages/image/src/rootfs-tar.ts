import { type ContentReader, diffTrees, EMPTY_TREE, type FileTree, type LayerWriteOptions, writeLayerTar } from "@varve/layer";
import { type ByteSink, writeSink } from "./byte-sink.ts";

/** Writes a tree as one tar (`-o type=tar`), entries in the order of a walk; equal trees give equal bytes. */
export function writeTreeTar(tree: FileTree, reader: ContentReader, sink: ByteSink, options: LayerWriteOptions = {}): Promise<void> {
  return writeSink(sink, writeLayerTar(diffTrees(EMPTY_TREE, tree), reader, options).stream, options);
}
