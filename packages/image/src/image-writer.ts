import { sha256Hex } from "@varve/archive";
import { streamOf } from "@varve/bytes";
import {
  canonicalJson,
  type Descriptor,
  digestFromHex,
  type ImageConfig,
  type Index,
  type IOOptions,
  type Manifest,
  MEDIA_TYPES,
  type Platform,
  type Pusher,
  serializeImageConfig,
} from "@varve/oci";
import { TOC_DIGEST_ANNOTATION, UNCOMPRESSED_SIZE_ANNOTATION } from "./estargz/estargz-layer.ts";
import { toDockerLayer, toOciLayer } from "./layer-type.ts";

/** What {@link storeImage} makes an image of. */
export interface NewImage {
  /** `rootfs.diff_ids` has one entry for each of `layers`. */
  readonly config: ImageConfig;
  /** Stored already; OCI or Docker media types, which are turned into the format's. */
  readonly layers: readonly Descriptor[];
  /** Of the manifest. */
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  /** Media types to use (default `oci`). */
  readonly format?: "oci" | "docker" | undefined;
}

/** Stores config and manifest of a new image, manifest last; gives the manifest's descriptor. Equal input, equal digest. */
export async function storeImage(target: Pusher, image: NewImage, options: IOOptions = {}): Promise<Descriptor> {
  const { config, layers, annotations } = image;
  if (config.rootfs.diff_ids.length !== layers.length) {
    throw new RangeError(`an image of ${layers.length} layers with ${config.rootfs.diff_ids.length} diffIDs`);
  }
  const mediaType = image.format === "docker" ? MEDIA_TYPES.dockerConfig : MEDIA_TYPES.ociConfig;
  const stored = await storeDocument(target, mediaType, serializeImageConfig(config), options);
  return storeManifest(target, { config: stored, layers, annotations, format: image.format }, options);
}

/** Stores the manifest over a config and layers that are stored already; media types of layers become the format's. */
export async function storeManifest(
  target: Pusher,
  parts: Pick<NewImage, "layers" | "annotations" | "format"> & { readonly config: Descriptor },
  options: IOOptions = {},
): Promise<Descriptor> {
  const { config, layers, annotations } = parts;
  const docker = parts.format === "docker";
  const mediaType = docker ? MEDIA_TYPES.dockerManifest : MEDIA_TYPES.ociManifest;
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType,
    config,
    layers: layers.map((layer) => plainLayer(docker ? toDockerLayer(layer) : toOciLayer(layer))),
    ...(annotations === undefined || Object.keys(annotations).length === 0 ? {} : { annotations }),
  };
  return storeDocument(target, mediaType, canonicalJson(manifest), options);
}

/** One image of a {@link storeIndex}. */
export interface IndexedImage {
  readonly descriptor: Descriptor;
  readonly platform?: Platform | undefined;
}

/** Stores an index over images that are stored already; gives its descriptor. */
export async function storeIndex(
  target: Pusher,
  images: readonly IndexedImage[],
  options: IOOptions & { readonly annotations?: Readonly<Record<string, string>>; readonly format?: "oci" | "docker" } = {},
): Promise<Descriptor> {
  const mediaType = options.format === "docker" ? MEDIA_TYPES.dockerIndex : MEDIA_TYPES.ociIndex;
  const index: Index = {
    schemaVersion: 2,
    mediaType,
    manifests: images.map(({ descriptor, platform }) => ({ ...descriptor, ...(platform === undefined ? {} : { platform }) })),
    ...(options.annotations === undefined ? {} : { annotations: options.annotations }),
  };
  return storeDocument(target, mediaType, canonicalJson(index), options);
}

/** Stores bytes under their digest. */
export async function storeDocument(target: Pusher, mediaType: string, bytes: Uint8Array, options: IOOptions = {}): Promise<Descriptor> {
  const descriptor: Descriptor = { mediaType, digest: digestFromHex(sha256Hex(bytes)), size: bytes.length };
  await target.push(descriptor, async () => streamOf(bytes), options);
  return descriptor;
}

/** Annotations of a base's layer descriptors speak of the image they came from, but for eStargz's; `urls` are part of a foreign layer. */
function plainLayer({ mediaType, digest, size, urls, annotations = {} }: Descriptor): Descriptor {
  const kept = Object.fromEntries(Object.entries(annotations).filter(([key]) => key === TOC_DIGEST_ANNOTATION || key === UNCOMPRESSED_SIZE_ANNOTATION));
  return { mediaType, digest, size, ...(urls === undefined ? {} : { urls }), ...(Object.keys(kept).length === 0 ? {} : { annotations: kept }) };
}
