import { type Codec, decompress, encodingFits } from "@varve/archive";
import { cutsOf, type LayerIndex } from "@varve/layer";
import type { Descriptor, IOOptions } from "@varve/oci";
import type { Store } from "@varve/store";
import type { ImageLayer } from "./image.ts";
import { limitInflation } from "./inflation-limit.ts";
import { layerIndex } from "./layer-index-store.ts";
import { layerTypeOf } from "./layer-type.ts";
import { storeSegments } from "./layer-writer.ts";

/**
 * The same layer (its diffID stays) as a blob that `codec` makes: the layer's own when that fits, one that was made before, or a new one. It is in the
 * store then, and what it was made of too. Throws what {@link layerIndex} throws.
 */
export async function recompressLayer(store: Store, layer: ImageLayer, codec: Codec, options: IOOptions = {}): Promise<Descriptor> {
  const index = await layerIndex(store, layer, options);
  const known = await storedForm(store, { index, own: layer.descriptor }, codec, options);
  if (known !== undefined) return known;
  const tar = limitInflation(await layer.open(options), decompress, () => layer.descriptor.size);
  const { segments } = index;
  return storeSegments(store, { stream: tar, cuts: cutsOf(segments), segments, finished: Promise.resolve({ index }) }, { ...options, codec });
}

/** A blob of the layer that the store has and that will do for the codec, the layer's own first. */
async function storedForm(
  store: Store,
  { index, own }: { readonly index: LayerIndex; readonly own: Descriptor },
  codec: Codec,
  options: IOOptions,
): Promise<Descriptor | undefined> {
  const fitting = index.tables.filter((table) => encodingFits(table.encoding, codec));
  for (const { blob, sizes } of fitting.toSorted((a, b) => Number(b.blob === own.digest) - Number(a.blob === own.digest))) {
    const descriptor = { mediaType: layerTypeOf(codec.type), digest: blob, size: sizes.reduce((sum, size) => sum + size, 0) };
    if (await store.has(descriptor, options)) return descriptor;
  }
  return undefined;
}
