import { createCodec } from "@varve/archive";
import { type Image, isEstargzLayer, layerCompression, layerIndex } from "@varve/image";
import { type IOOptions, MEDIA_TYPES } from "@varve/oci";
import type { Store } from "@varve/store";
import { type CheckedForm, formOf } from "../output/form.ts";

/**
 * The SOURCE_DATE_EPOCH an image seems to have been built with, in seconds: `created`, when it is a whole second and the time of the last history
 * entry too; a clock's time hardly ever is.
 */
export function epochOfImage({ config }: Pick<Image, "config">): number | undefined {
  const { created, history = [] } = config;
  if (created === undefined || !/^[^.]+Z$/.test(created)) return undefined;
  const before = history.at(-1)?.created;
  const time = Date.parse(created) / 1000;
  return (before === undefined || before === created) && Number.isSafeInteger(time) && time >= 0 ? time : undefined;
}

/** The form an image has, as far as it can be told, so that one that is built again has it too. `ownLayers` counts those above the base. */
export async function formOfImage(
  store: Store,
  image: Image,
  { epoch, ownLayers }: { readonly epoch: number | undefined; readonly ownLayers: number },
  io: IOOptions,
): Promise<CheckedForm> {
  const own = ownLayers === 0 ? [] : image.layers.slice(-ownLayers);
  const usual = formOf({ type: "image", names: [], push: false }, undefined);
  const top = own.at(-1)?.descriptor;
  let latest = Number.NEGATIVE_INFINITY;
  for (const layer of epoch === undefined ? [] : own) for (const { mtime } of (await layerIndex(store, layer, io)).entries()) latest = Math.max(latest, mtime);
  return {
    ...usual,
    codec: top !== undefined && layerCompression(top.mediaType) === "none" ? createCodec("none") : usual.codec,
    estargz: top !== undefined && isEstargzLayer(top),
    mediaTypes: image.manifest.mediaType === MEDIA_TYPES.dockerManifest ? "docker" : "oci",
    // nothing later: either they were rewritten, or doing so changes nothing
    latestTime: epoch !== undefined && latest <= epoch ? epoch : undefined,
  };
}
