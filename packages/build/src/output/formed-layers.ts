import { createCodec, encodingFits } from "@varve/archive";
import { isEstargzLayer, isForeignLayer, layerCompression } from "@varve/image";
import type { Descriptor, DiffID, IOOptions } from "@varve/oci";
import type { Store } from "@varve/store";
import type { LayerStack, StackLayer } from "../layer-stack.ts";
import type { Conversions, StoredBlob } from "./conversions.ts";
import type { CheckedForm } from "./form.ts";

/** A layer as an image of one form holds it. */
export interface FormedLayer {
  readonly diffID: DiffID;
  readonly descriptor: Descriptor;
  /** The same, once the blob is in the store: a base's may be in its registry only. */
  stored(options?: IOOptions): Promise<Descriptor>;
}

/** What layers are formed with. */
export interface FormScope {
  readonly store: Store;
  readonly conversions: Conversions;
}

/**
 * The layers of a stack in a form; `titles` are of the steps that made the last of them, the others are a base's. Layers made here get the form's codec whatever the cache holds them in, so
 * that a build from cache gives the image that a first one does; a base's keep theirs unless the form is forced.
 */
export async function formLayers(
  scope: FormScope,
  { stack, titles }: { readonly stack: LayerStack; readonly titles: readonly string[] },
  form: CheckedForm,
  io: IOOptions,
): Promise<readonly FormedLayer[]> {
  const formed: FormedLayer[] = [];
  const baseCount = stack.layers.length - titles.length;
  // one after the other: each keeps all cores busy by itself
  for (const [at, layer] of stack.layers.entries()) {
    const descriptor = await layer.blob();
    const step = titles[at - baseCount];
    if (step === undefined && !(form.force && isOtherwise(descriptor, form)))
      formed.push({ diffID: layer.diffID, descriptor, stored: (options) => layer.stored(options) });
    else formed.push(await convert(scope, { layer, step }, form, io));
  }
  return formed;
}

function isOtherwise(descriptor: Descriptor, form: CheckedForm): boolean {
  if (isForeignLayer(descriptor)) return false;
  return form.estargz ? !isEstargzLayer(descriptor) : layerCompression(descriptor.mediaType) !== form.codec.type;
}

async function convert(
  { conversions }: FormScope,
  { layer, step }: { readonly layer: StackLayer; readonly step: string | undefined },
  form: CheckedForm,
  io: IOOptions,
): Promise<FormedLayer> {
  const stored: StoredBlob = { diffID: layer.diffID, descriptor: await layer.stored(io) };
  const { latestTime, estargz } = form;
  // what is made eStargz then needs no compression of its own
  const codec = estargz ? createCodec("none") : form.codec;
  const timed = latestTime === undefined || step === undefined ? stored : await conversions.times(stored, { latestTime, codec, step }, io);
  const formed = (): Promise<StoredBlob> => (estargz ? conversions.estargz(timed, form.codec, io) : conversions.compressed(timed, form.codec, io));
  // what was just made so needs no look at its index, which is large where there are many files
  const isFormed = !estargz && timed === stored && layer.encoding !== undefined && encodingFits(layer.encoding, form.codec);
  const { diffID, descriptor } = isFormed ? stored : await formed();
  return { diffID, descriptor, stored: () => Promise.resolve(descriptor) };
}
