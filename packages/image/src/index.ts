export { copyGraph, type CopyEvent, type CopyOptions, type CopyTarget } from "./graph-copier.ts";
export type { Image, ImageLayer } from "./image.ts";
export { openImage, type OpenImageOptions } from "./image-opener.ts";
export { type ArchiveOptions, writeDockerArchive, writeOciArchive } from "./archive-writer.ts";
export { type ByteSink, writeSink } from "./byte-sink.ts";
export type { NamedImage } from "./layout-index.ts";
export { writeOciLayout } from "./oci-layout-writer.ts";
export { type IndexedImage, type NewImage, storeDocument, storeImage, storeIndex } from "./image-writer.ts";
export { isForeignLayer, isLayerType, layerCompression, type LayerCompression, toDockerLayer, toOciLayer } from "./layer-type.ts";
