export { copyGraph, type CopyEvent, type CopyOptions, type CopyTarget } from "./graph-copier.ts";
export type { Image, ImageLayer } from "./image.ts";
export { openImage, type OpenImageOptions } from "./image-opener.ts";
export { type IndexedImage, type NewImage, storeDocument, storeImage, storeIndex } from "./image-writer.ts";
export { isForeignLayer, isLayerType, layerCompression, type LayerCompression, toDockerLayer, toOciLayer } from "./layer-type.ts";
