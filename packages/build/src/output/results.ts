import { storeIndex } from "@varve/image";
import type { Descriptor, Digest, IOOptions } from "@varve/oci";
import type { ExecutedPlan } from "../plan-execution.ts";
import { buildImage, type BuiltImage } from "../result/built-image.ts";
import type { CheckedForm } from "./form.ts";
import type { FormScope } from "./formed-layers.ts";

/** The result of a build in one form, before it goes anywhere. */
export interface Result {
  /** One a platform, in the order asked for. */
  readonly images: readonly BuiltImage[];
  /** Of the manifest, or of the index over several. */
  readonly descriptor: Descriptor;
  /** The descriptor is of an index, be it of one. */
  readonly multiPlatform: boolean;
}

/** How results are made. */
export interface ResultOptions {
  /** Seconds. */
  readonly epoch: number | undefined;
  readonly multiPlatform: boolean;
}

/** Docker's ID of an image: its config's digest; of several platforms, their index's, as buildx. */
export function imageIDOf({ images, descriptor, multiPlatform }: Result): Digest {
  return (multiPlatform ? undefined : images[0]?.configDigest) ?? descriptor.digest;
}

/** The result in a form; made when it is first asked for. */
export type Results = (form: CheckedForm) => Promise<Result>;

/** The results of plans that were carried out. */
export function createResults(scope: FormScope, executed: readonly ExecutedPlan[], options: ResultOptions, io: IOOptions): Results {
  const made = new Map<string, Promise<Result>>();
  return (form) => {
    const key = JSON.stringify(form);
    const known = made.get(key) ?? makeResult(scope, executed, { ...options, form }, io);
    made.set(key, known);
    return known;
  };
}

async function makeResult(
  scope: FormScope,
  executed: readonly ExecutedPlan[],
  { form, epoch, multiPlatform }: ResultOptions & { readonly form: CheckedForm },
  io: IOOptions,
): Promise<Result> {
  const how = { form, epoch: epoch === undefined ? undefined : epoch * 1000 };
  const images = await Promise.all(executed.map((one) => buildImage(scope, one, how, io)));
  const [only] = images;
  // the manifest itself is the result of one platform
  if (only !== undefined && !multiPlatform) return { images, descriptor: only.descriptor, multiPlatform };
  const rows = images.map(({ descriptor, platform }) => ({ descriptor, platform }));
  return { images, descriptor: await storeIndex(scope.store, rows, { ...io, format: form.mediaTypes }), multiPlatform };
}
