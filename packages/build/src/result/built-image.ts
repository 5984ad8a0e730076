import { sha256Hex } from "@varve/archive";
import { storeImage } from "@varve/image";
import { type Descriptor, type Digest, digestFromHex, type ImageConfig, type IOOptions, type Platform, serializeImageConfig } from "@varve/oci";
import type { Store } from "@varve/store";
import type { ExecutedPlan } from "../plan-execution.ts";
import { rfc3339 } from "../rfc3339.ts";
import type { LayerStack } from "../layer-stack.ts";
import { finishConfig } from "./image-config.ts";

/** The image of one platform: config and manifest are in the store, a base's layers perhaps only in their registry. */
export interface BuiltImage {
  /** Of the manifest. */
  readonly descriptor: Descriptor;
  readonly configDigest: Digest;
  readonly config: ImageConfig;
  readonly platform: Platform;
  readonly stack: LayerStack;
}

/** Makes the image of a plan that was carried out; waits for its layers' compression. `epoch` in milliseconds. */
export async function buildImage(store: Store, executed: ExecutedPlan, epoch: number | undefined, io: IOOptions): Promise<BuiltImage> {
  const { plan, results } = executed;
  const result = results.get(plan.result);
  if (result?.kind !== "stack") throw new TypeError("a plan's result is a stack of layers");
  const { stack } = result;
  const config = finishConfig(plan, {
    stack,
    created(vertex) {
      const step = results.get(vertex);
      return step?.kind === "stack" ? step.created : undefined;
    },
    epoch: epoch === undefined ? undefined : rfc3339(epoch),
  });
  const layers = await Promise.all(stack.layers.map((layer) => layer.blob()));
  const descriptor = await storeImage(store, { config, layers }, io);
  return { descriptor, configDigest: digestFromHex(sha256Hex(serializeImageConfig(config))), config, platform: plan.platform, stack };
}
