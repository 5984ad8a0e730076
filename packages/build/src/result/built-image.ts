import { sha256Hex } from "@varve/archive";
import { storeImage } from "@varve/image";
import { type Descriptor, type Digest, digestFromHex, type ImageConfig, type IOOptions, type Platform, serializeImageConfig } from "@varve/oci";
import type { Plan } from "@varve/plan";
import type { ExecutedPlan } from "../plan-execution.ts";
import { rfc3339 } from "../rfc3339.ts";
import type { LayerStack } from "../layer-stack.ts";
import type { CheckedForm } from "../output/form.ts";
import { formLayers, type FormedLayer, type FormScope } from "../output/formed-layers.ts";
import { finishConfig } from "./image-config.ts";

/** The image of one platform: config and manifest are in the store, a base's layers perhaps only in their registry. */
export interface BuiltImage {
  /** Of the manifest. */
  readonly descriptor: Descriptor;
  readonly configDigest: Digest;
  readonly config: ImageConfig;
  readonly platform: Platform;
  /** What was built, whatever the form. */
  readonly stack: LayerStack;
  readonly layers: readonly FormedLayer[];
}

/** Makes the image of a plan that was carried out, in a form; waits for its layers' compression. `epoch` in milliseconds. */
export async function buildImage(
  scope: FormScope,
  executed: ExecutedPlan,
  { form, epoch }: { readonly form: CheckedForm; readonly epoch: number | undefined },
  io: IOOptions,
): Promise<BuiltImage> {
  const { plan, results } = executed;
  const result = results.get(plan.result);
  if (result?.kind !== "stack") throw new TypeError("a plan's result is a stack of layers");
  const { stack } = result;
  const formed = await formLayers(scope, { stack, titles: titlesOf(plan) }, form, io);
  const config = finishConfig(plan, {
    diffIDs: formed.map((layer) => layer.diffID),
    created(vertex) {
      const step = results.get(vertex);
      return step?.kind === "stack" ? step.created : undefined;
    },
    epoch: epoch === undefined ? undefined : rfc3339(epoch),
  });
  const descriptor = await storeImage(scope.store, { config, layers: formed.map((layer) => layer.descriptor), format: form.mediaTypes }, io);
  return { descriptor, configDigest: digestFromHex(sha256Hex(serializeImageConfig(config))), config, platform: plan.platform, stack, layers: formed };
}

/** Of the steps that made the layers above the base. */
function titlesOf(plan: Plan): readonly string[] {
  const titles = new Map(plan.vertices.map((vertex) => [vertex.id, "title" in vertex ? vertex.title : ""]));
  return plan.layers.map((id) => titles.get(id) ?? "");
}
