import { diffTrees, EMPTY_TREE, type FileTree, type LayerWriteOptions } from "@varve/layer";
import type { IOOptions } from "@varve/oci";
import type { Store } from "@varve/store";
import type { ByteSink } from "./byte-sink.ts";
import type { Image } from "./image.ts";
import { fetchThrough, imageTree } from "./layer-index-store.ts";
import { createLayerReader, type LayerReader } from "./layer-reader.ts";
import { createLayer, type StoredLayer } from "./layer-writer.ts";
import { type RootfsDirectoryOptions, type RootfsDirectoryResult, writeTreeDirectory } from "./rootfs-directory.ts";
import { writeTreeTar } from "./rootfs-tar.ts";

/** Reads the files of one image; layers the store lacks are fetched into it. */
export function createImageReader(store: Store, image: Pick<Image, "layers">): LayerReader {
  return createLayerReader(store, async (diffID, options) => {
    const layer = image.layers.find((each) => each.diffID === diffID);
    if (layer === undefined) throw new TypeError(`layer ${diffID} is of another image`);
    if (!(await store.has(layer.descriptor, options))) for await (const _ of fetchThrough(store, layer, options));
    return layer.descriptor;
  });
}

/** Writes an image's flattened files as a tar. */
export function writeRootfsTar(store: Store, image: Pick<Image, "layers">, sink: ByteSink, options: LayerWriteOptions = {}): Promise<void> {
  return withFiles(store, image, options, (tree, reader) => writeTreeTar(tree, reader, sink, options));
}

/** Writes an image's flattened files into a directory, as {@link writeTreeDirectory} does. */
export function writeRootfsDirectory(
  store: Store,
  image: Pick<Image, "layers">,
  directory: string,
  options: RootfsDirectoryOptions = {},
): Promise<RootfsDirectoryResult> {
  return withFiles(store, image, options, (tree, reader) => writeTreeDirectory(tree, reader, directory, options));
}

/** All of an image's files as one layer. */
export function flattenImage(store: Store, image: Pick<Image, "layers">, options: LayerWriteOptions = {}): Promise<StoredLayer> {
  return withFiles(store, image, options, (tree, reader) => createLayer(store, diffTrees(EMPTY_TREE, tree), reader, options));
}

async function withFiles<T>(
  store: Store,
  image: Pick<Image, "layers">,
  options: IOOptions,
  use: (tree: FileTree, reader: LayerReader) => Promise<T>,
): Promise<T> {
  const tree = await imageTree(store, image, options);
  await using reader = createImageReader(store, image);
  return await use(tree, reader);
}
