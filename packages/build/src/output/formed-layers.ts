import { isForeignLayer, layerCompression, recompressLayer } from "@varve/image";
import type { Descriptor, DiffID, IOOptions } from "@varve/oci";
import type { Store } from "@varve/store";
import type { LayerStack, StackLayer } from "../layer-stack.ts";
import type { CheckedForm } from "./form.ts";

/** A layer as an image of one form holds it. */
export interface FormedLayer {
  readonly diffID: DiffID;
  readonly descriptor: Descriptor;
  /** The same, once the blob is in the store: a base's may be in its registry only. */
  stored(options?: IOOptions): Promise<Descriptor>;
}

/**
 * The layers of a stack in a form, the first `baseCount` of them a base's. Layers made here get the form's codec whatever the cache holds them in, so
 * that a build from cache gives the image that a first one does; a base's keep theirs unless the form is forced.
 */
export async function formLayers(store: Store, stack: LayerStack, baseCount: number, form: CheckedForm, io: IOOptions): Promise<readonly FormedLayer[]> {
  const formed: FormedLayer[] = [];
  // one after the other: each keeps all cores busy by itself
  for (const [at, layer] of stack.layers.entries()) {
    const descriptor = await layer.blob();
    if (at < baseCount && !(form.force && isOtherwise(descriptor, form)))
      formed.push({ diffID: layer.diffID, descriptor, stored: (options) => layer.stored(options) });
    else formed.push(await recompressed(store, layer, form, io));
  }
  return formed;
}

function isOtherwise(descriptor: Descriptor, { codec }: CheckedForm): boolean {
  return !isForeignLayer(descriptor) && layerCompression(descriptor.mediaType) !== codec.type;
}

async function recompressed(store: Store, layer: StackLayer, form: CheckedForm, io: IOOptions): Promise<FormedLayer> {
  const own = await layer.stored(io);
  const descriptor = await recompressLayer(store, { diffID: layer.diffID, descriptor: own, open: (options) => store.fetch(own, options) }, form.codec, io);
  return { diffID: layer.diffID, descriptor, stored: () => Promise.resolve(descriptor) };
}
