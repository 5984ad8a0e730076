import type { IOOptions } from "@varve/oci";
import type { Store } from "@varve/store";
import type { Image } from "../image.ts";
import { layerIndex } from "../layer-index-store.ts";
import { createImageReader } from "../rootfs.ts";
import { compareDocuments, type FieldDifference } from "./field-difference.ts";
import { compareLayers } from "./layer-comparison.ts";

/** The first difference of two images, for people. */
export interface ImageDifference {
  readonly part: "layer" | "config";
  /** Of a layer: which, from 0. */
  readonly layer?: number;
  /** Of a layer: the entry. Absent when only the way its tar is written differs. */
  readonly path?: string;
  readonly fields: readonly FieldDifference[];
}

/**
 * The first layer, file and field that two images have differently, else what their configs do; `undefined` when layers and config are the same, however
 * the layers are compressed. Layers of the second that the store lacks are fetched into it, and those of the first, where they must be read.
 */
export async function compareImages(store: Store, first: Image, second: Image, options: IOOptions = {}): Promise<ImageDifference | undefined> {
  for (let at = 0; at < Math.min(first.layers.length, second.layers.length); at++) {
    if (first.layers[at]?.diffID !== second.layers[at]?.diffID) return differentLayer(store, [first, second], at, options);
  }
  if (first.configDigest === second.configDigest) return undefined;
  const fields = compareDocuments({ ...first.config, rootfs: first.layers.length }, { ...second.config, rootfs: second.layers.length });
  // two ways to write one document
  if (fields.length === 0) return { part: "config", fields: [{ field: "digest", first: first.configDigest, second: second.configDigest }] };
  return { part: "config", fields: fields.map((one) => (one.field === "rootfs" ? { ...one, field: "number of layers" } : one)) };
}

async function differentLayer(store: Store, images: readonly [Image, Image], at: number, options: IOOptions): Promise<ImageDifference> {
  const readers = images.map((image) => createImageReader(store, image));
  try {
    const [first, second] = await Promise.all(
      images.map(async (image, side) => {
        const [layer, reader] = [image.layers[at], readers[side]];
        if (layer === undefined || reader === undefined) throw new RangeError(`there is no layer ${at}`);
        return { index: await layerIndex(store, layer, options), reader };
      }),
    );
    if (first === undefined || second === undefined) throw new RangeError("two images are compared");
    const found = await compareLayers(first, second, options);
    if (found !== undefined) return { part: "layer", layer: at, path: found.path, fields: found.fields };
    return { part: "layer", layer: at, fields: [{ field: "tar", first: first.index.diffID, second: second.index.diffID }] };
  } finally {
    for (const reader of readers) await reader[Symbol.asyncDispose]();
  }
}
