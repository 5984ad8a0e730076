import { isVarveError } from "@varve/errors";
import { type Image, openImage } from "@varve/image";
import { type Descriptor, formatReference, type IOOptions, matchesPlatform, parseReference, type Platform, type Reference } from "@varve/oci";
import type { RegistryClient } from "@varve/registry";
import type { Store } from "@varve/store";
import type { EventSink } from "../events.ts";
import { baseLayer, createStack, type LayerStack } from "../layer-stack.ts";
import { isLayoutReference, openLayoutImage } from "./oci-layout.ts";
import { withPullProgress } from "./pull-progress.ts";

/** An image a build starts from or copies out of. */
export interface BaseImage {
  readonly image: Image;
  /** Absent for one that no registry has (`oci-layout://`). */
  readonly reference: Reference | undefined;
  readonly stack: LayerStack;
}

/** Resolves base images, each once a build. */
export interface BaseImages {
  /** The store's image unless `pull` was asked for or it is for another platform, else the registry's. Only manifest and config are read. */
  resolve(reference: string, platform: Platform, options?: IOOptions): Promise<BaseImage>;
  /** Those resolved so far. */
  resolved(): Promise<readonly BaseImage[]>;
}

/** What base images come from. */
export interface BaseImageSources {
  readonly store: Store;
  readonly registries: RegistryClient;
  /** Ask the registry even when the store has the image. */
  readonly pull: boolean;
  /** Hears of layers that are fetched. */
  readonly events: EventSink;
}

/** Creates the resolver of one build. */
export function createBaseImages(sources: BaseImageSources): BaseImages {
  const known = new Map<string, Promise<BaseImage>>();
  return {
    resolve(reference, platform, options) {
      const key = JSON.stringify([reference, platform.os, platform.architecture, platform.variant, platform["os.version"]]);
      let found = known.get(key);
      if (found === undefined) {
        found = open(sources, reference, platform, options);
        known.set(key, found);
        found.catch(() => known.delete(key));
      }
      return found;
    },
    async resolved() {
      const settled = await Promise.allSettled(known.values());
      return settled.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    },
  };
}

async function open(sources: BaseImageSources, text: string, platform: Platform, options: IOOptions | undefined): Promise<BaseImage> {
  if (isLayoutReference(text)) {
    const image = await openLayoutImage(sources.store, text, { platform, signal: options?.signal });
    return { image, reference: undefined, stack: stackOf(sources.store, image) };
  }
  const reference = parseReference(text);
  const image =
    (sources.pull ? undefined : await openLocal(sources.store, reference, platform, options)) ??
    withPullProgress(await openRemote(sources.registries, reference, platform, options), formatReference(reference), sources.events);
  return { image, reference, stack: stackOf(sources.store, image) };
}

function stackOf(store: Store, image: Image): LayerStack {
  return createStack(image.layers.map((layer) => baseLayer(store, layer)));
}

/** `undefined` when the store has no such image, or one for another platform. */
async function openLocal(store: Store, reference: Reference, platform: Platform, options: IOOptions | undefined): Promise<Image | undefined> {
  const descriptor = await resolveLocal(store, reference, options);
  if (descriptor === undefined) return undefined;
  try {
    const image = await openImage(store, descriptor, { platform, signal: options?.signal });
    const { architecture, os, variant } = image.config;
    return matchesPlatform({ architecture, os, ...(variant === undefined ? {} : { variant }) }, platform) ? image : undefined;
  } catch (error) {
    // an index pulled for another platform, or one whose rest was never fetched
    if (isVarveError(error, "OCI_NO_MATCHING_PLATFORM", "STORE_BLOB_NOT_FOUND")) return undefined;
    throw error;
  }
}

async function resolveLocal(store: Store, reference: Reference, options: IOOptions | undefined): Promise<Descriptor | undefined> {
  try {
    return await store.resolve(formatReference(reference), options);
  } catch (error) {
    if (isVarveError(error, "STORE_REF_NOT_FOUND")) return undefined;
    throw error;
  }
}

async function openRemote(registries: RegistryClient, reference: Reference, platform: Platform, options: IOOptions | undefined): Promise<Image> {
  const repository = registries.repository(reference);
  const descriptor = await repository.resolve(reference.digest ?? reference.tag ?? "latest", options);
  return openImage(repository, descriptor, { platform, signal: options?.signal });
}
