import { stat } from "node:fs/promises";
import type { CacheBackend } from "@varve/cache";
import { VarveError } from "@varve/errors";
import { compareImages, type Image, type ImageDifference, loadArchive, openImage } from "@varve/image";
import { type Descriptor, formatPlatform, type IOOptions, parsePlatform, type Platform } from "@varve/oci";
import { createRegistryClient, dockerConfigCredentials } from "@varve/registry";
import { openStore, type Store } from "@varve/store";
import { createBaseImages } from "../base/base-images.ts";
import { executePlans, type Session, withSession } from "../build.ts";
import type { BuildOptions } from "../build-options.ts";
import { requireNamedContexts } from "../definition.ts";
import { createEventSink } from "../events.ts";
import { hostPlatform } from "../host-platform.ts";
import { openConversions } from "../output/conversions.ts";
import { createResults } from "../output/results.ts";
import { requireSecrets } from "../run/secrets.ts";
import { homeOf } from "../settings.ts";
import { epochOfImage, formOfImage } from "./verified-form.ts";

/** What {@link verifyImage} takes: an image, and the options of a build whose result it should be. */
export interface VerifyOptions extends Omit<BuildOptions, "tags" | "push" | "outputs" | "noCache" | "platforms"> {
  /**
   * A name (of the store's image, else of a registry's), or the path of an archive or OCI layout: it begins with `/`, `./` or `../`, or ends with
   * `.tar`.
   */
  readonly image: string;
  /** `os/arch[/variant]` (default: this machine's). */
  readonly platform?: string;
}

/** How an image compares with one that was built again. */
export interface Verification {
  /** Layers' contents and config are the same; {@link sameBlobs} tells whether the compressed bytes are. */
  readonly identical: boolean;
  /** The manifests' digests agree. */
  readonly sameBlobs: boolean;
  /** Of the image that was given. */
  readonly image: VerifiedImage;
  readonly rebuilt: VerifiedImage;
  /** Absent when they are identical; `first` is the image that was given. */
  readonly difference?: ImageDifference & {
    /** The history entry of a layer that differs. */
    readonly createdBy?: string;
    /** How many layers the image has. */
    readonly layers: number;
  };
}

/** One side of a {@link Verification}. */
export interface VerifiedImage {
  readonly digest: string;
  readonly imageID: string;
}

/**
 * Builds without cache and compares the result with an image: contents and metadata of the layers, then the config. SOURCE_DATE_EPOCH and the way layers are
 * written are taken from the image where the options don't say. Throws as `build` does, and what opening the image throws.
 */
export async function verifyImage(options: VerifyOptions): Promise<Verification> {
  const { image: name, platform: wanted, ...build } = options;
  const platform = wanted === undefined ? hostPlatform() : parsePlatform(wanted);
  await using store = await openStore({ root: homeOf(build), ...(options.signal === undefined ? {} : { signal: options.signal }) });
  await using registries = createRegistryClient({
    credentials: dockerConfigCredentials({ env: process.env }),
    insecureRegistries: options.insecureRegistries ?? [],
  });
  const image = await openSubject(
    store,
    name,
    platform,
    () => {
      const sources = { store, registries, pull: false, events: createEventSink(options.onProgress) };
      return createBaseImages(sources)
        .resolve(name, platform, ioOf(options))
        .then((base) => base.image);
    },
    ioOf(options),
  );
  const platforms = wanted === undefined ? {} : { platforms: [formatPlatform(platform)] };
  const rebuilding = async (session: Session): Promise<Verification> => {
    await requireSecrets(build);
    await requireNamedContexts(build);
    const rebuilt = await rebuild(session, image);
    const difference = await compareImages(session.store, image, rebuilt, { signal: session.signal });
    const sides = { image: sideOf(image), rebuilt: sideOf(rebuilt), sameBlobs: image.descriptor.digest === rebuilt.descriptor.digest };
    if (difference === undefined) return { identical: true, ...sides };
    return { identical: false, ...sides, difference: { ...difference, ...stepOf(image, difference.layer), layers: image.layers.length } };
  };
  return await withSession({ ...build, ...platforms, noCache: true }, rebuilding, { defaultEpoch: epochOfImage(image) });
}

/** Builds in the form the image has. */
async function rebuild(session: Session, image: Image): Promise<Image> {
  const { store, execution, signal } = session;
  const { sourceDateEpoch: epoch } = session.options;
  const executed = await executePlans({ ...session, execution: { ...execution, cache: FORGETFUL } }, await session.plan());
  const form = await formOfImage(store, image, { epoch, ownLayers: executed[0]?.plan.layers.length ?? 0 }, { signal });
  const results = createResults({ store, conversions: await openConversions(store) }, executed, { epoch, multiPlatform: false }, { signal });
  const rebuilt = await openImage(store, (await results(form)).descriptor, { signal });
  await Promise.all(execution.background);
  return rebuilt;
}

/** What is only built to be compared must not become what later builds take from the cache. */
const FORGETFUL: CacheBackend = { name: "none", lookup: () => Promise.resolve(undefined), record: () => Promise.resolve() };

function ioOf({ signal }: Pick<BuildOptions, "signal">): IOOptions {
  return signal === undefined ? {} : { signal };
}

function sideOf({ descriptor, configDigest }: Image): VerifiedImage {
  return { digest: descriptor.digest, imageID: configDigest };
}

function stepOf({ config }: Image, layer: number | undefined): { readonly createdBy?: string } {
  const entries = (config.history ?? []).filter((entry) => entry.empty_layer !== true);
  const createdBy = layer === undefined ? undefined : entries[layer]?.created_by;
  return createdBy === undefined ? {} : { createdBy };
}

async function openSubject(store: Store, name: string, platform: Platform, byName: () => Promise<Image>, io: IOOptions): Promise<Image> {
  if (!/^\.{0,2}\/|\.tar$/.test(name)) return byName();
  if ((await stat(name).catch(() => undefined)) === undefined) throw new VarveError("IMAGE_INVALID_ARCHIVE", `there is no ${name}`);
  const loaded = await loadArchive(store, name, io);
  return openImage(
    store,
    onlyOne(
      name,
      loaded.map((one) => one.descriptor),
    ),
    { ...io, platform },
  );
}

function onlyOne(name: string, images: readonly Descriptor[]): Descriptor {
  const [first, ...others] = [...new Map(images.map((one) => [one.digest, one])).values()];
  if (first !== undefined && others.length === 0) return first;
  throw new VarveError("BUILD_INVALID_OPTION", `${name} holds ${others.length + (first === undefined ? 0 : 1)} images, one is to be verified`);
}
