import { VarveError } from "@varve/errors";
import {
  type Descriptor,
  type Fetcher,
  type ImageConfig,
  type Index,
  type IOOptions,
  isIndexType,
  isManifestType,
  type Manifest,
  MEDIA_TYPES,
  parseImageConfig,
  parseIndex,
  parseManifest,
  type Platform,
  selectPlatform,
} from "@varve/oci";
import { fetchDocument, INDEX_DEPTH_LIMIT, tooNested } from "./document.ts";
import type { Image, ImageLayer } from "./image.ts";
import { isLayerType } from "./layer-type.ts";
import { machinePlatform } from "./machine-platform.ts";

/** Options of {@link openImage}. */
export interface OpenImageOptions extends IOOptions {
  /** Which image of an index; without it this machine's, or the only one there is. */
  readonly platform?: Platform | undefined;
}

/**
 * Opens the image a descriptor stands for: an index is followed to the manifest that suits `platform`, then manifest and config are
 * read and checked against each other. Layers are not touched. An image that is not in an index is opened whatever its platform: the
 * config says which it is. Throws IMAGE_NOT_AN_IMAGE, IMAGE_TOO_NESTED, OCI_INVALID_MANIFEST, OCI_TOO_LARGE, OCI_NO_MATCHING_PLATFORM
 * and what `source` throws.
 */
export async function openImage(source: Fetcher, descriptor: Descriptor, options: OpenImageOptions = {}): Promise<Image> {
  const found = await findManifest(source, descriptor, options);
  const bytes = await fetchDocument(source, found, options);
  const manifest = parseManifest(bytes, found.mediaType);
  requireImage(found, manifest);
  const config = parseImageConfig(await fetchDocument(source, manifest.config, options));
  requireDiffIDs(found, manifest, config);
  const { mediaType, digest, size } = found;
  return {
    descriptor: { mediaType, digest, size },
    manifest,
    config,
    configDigest: manifest.config.digest,
    layers: manifest.layers.map((layer, i): ImageLayer => {
      const diffID = config.rootfs.diff_ids[i];
      if (diffID === undefined) throw new RangeError("diffIDs were counted");
      return { descriptor: layer, diffID, open: (io) => source.fetch(layer, io) };
    }),
  };
}

async function findManifest(source: Fetcher, root: Descriptor, options: OpenImageOptions): Promise<Descriptor> {
  let at = root;
  for (let depth = 0; isIndexType(at.mediaType); depth++) {
    if (depth === INDEX_DEPTH_LIMIT) throw tooNested(at);
    const index = parseIndex(await fetchDocument(source, at, options), at.mediaType);
    at = options.platform === undefined ? selectLocal(index) : selectPlatform(index, options.platform);
  }
  if (isManifestType(at.mediaType)) return at;
  throw notAnImage(at, at.mediaType);
}

/** Nobody said which: this machine's, unless the index leaves no choice. */
function selectLocal(index: Index): Descriptor {
  const images = index.manifests.filter((entry) => entry.platform?.os !== "unknown" && (isManifestType(entry.mediaType) || isIndexType(entry.mediaType)));
  const [only] = images;
  return images.length === 1 && only !== undefined ? only : selectPlatform(index, machinePlatform());
}

function requireImage(descriptor: Descriptor, manifest: Manifest): void {
  const { mediaType } = manifest.config;
  if (mediaType !== MEDIA_TYPES.ociConfig && mediaType !== MEDIA_TYPES.dockerConfig) {
    throw notAnImage(descriptor, manifest.artifactType ?? mediaType);
  }
  const strange = manifest.layers.find((layer) => !isLayerType(layer.mediaType));
  if (strange !== undefined) {
    throw new VarveError("IMAGE_UNSUPPORTED_LAYER", `layer ${strange.digest} is of media type ${JSON.stringify(strange.mediaType)}, which is not supported`);
  }
}

function requireDiffIDs(descriptor: Descriptor, manifest: Manifest, config: ImageConfig): void {
  const { length } = config.rootfs.diff_ids;
  if (length === manifest.layers.length) return;
  throw new VarveError(
    "OCI_INVALID_MANIFEST",
    `invalid image ${descriptor.digest}: its manifest has ${manifest.layers.length} layers, its config ${length} diffIDs`,
  );
}

function notAnImage(descriptor: Descriptor, what: string): VarveError {
  return new VarveError("IMAGE_NOT_AN_IMAGE", `${descriptor.digest} is no container image but ${JSON.stringify(what.slice(0, 200))}`);
}
