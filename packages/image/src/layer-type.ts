import { VarveError } from "@varve/errors";
import { type Descriptor, MEDIA_TYPES } from "@varve/oci";

/** How a layer's blob is compressed. */
export type LayerCompression = "none" | "gzip" | "zstd";

interface LayerType {
  readonly compression: LayerCompression;
  /** The image-spec's name for it. */
  readonly oci: string;
  /** Docker schema 2's, where there is one. */
  readonly docker?: string;
  /** Not to be uploaded (image-spec layer.md, "Non-Distributable Layers"). */
  readonly foreign: boolean;
}

const NON_DISTRIBUTABLE = "application/vnd.oci.image.layer.nondistributable.v1.tar";

const TYPES: readonly LayerType[] = [
  { compression: "none", oci: MEDIA_TYPES.ociLayer, docker: MEDIA_TYPES.dockerLayer, foreign: false },
  { compression: "gzip", oci: MEDIA_TYPES.ociLayerGzip, docker: MEDIA_TYPES.dockerLayerGzip, foreign: false },
  { compression: "zstd", oci: MEDIA_TYPES.ociLayerZstd, docker: "application/vnd.docker.image.rootfs.diff.tar.zstd", foreign: false },
  { compression: "none", oci: NON_DISTRIBUTABLE, docker: "application/vnd.docker.image.rootfs.foreign.diff.tar", foreign: true },
  { compression: "gzip", oci: `${NON_DISTRIBUTABLE}+gzip`, docker: MEDIA_TYPES.dockerForeignLayerGzip, foreign: true },
  { compression: "zstd", oci: `${NON_DISTRIBUTABLE}+zstd`, foreign: true },
];

const BY_NAME: ReadonlyMap<string, LayerType> = new Map(
  TYPES.flatMap((type): [string, LayerType][] => [[type.oci, type], ...(type.docker === undefined ? [] : [[type.docker, type] as [string, LayerType]])]),
);

/** Whether a media type is a layer's, OCI or Docker. */
export function isLayerType(mediaType: string): boolean {
  return BY_NAME.has(mediaType);
}

/** The compression a layer's media type names; content may disagree, so readers sniff. Throws IMAGE_UNSUPPORTED_LAYER for other types. */
export function layerCompression(mediaType: string): LayerCompression {
  return lookup(mediaType).compression;
}

/** The image-spec's media type of a layer that is compressed so. */
export function layerTypeOf(compression: LayerCompression): string {
  return { none: MEDIA_TYPES.ociLayer, gzip: MEDIA_TYPES.ociLayerGzip, zstd: MEDIA_TYPES.ociLayerZstd }[compression];
}

/** Whether a layer is one that registries refuse and clients fetch from its `urls`: kept by reference, never uploaded. */
export function isForeignLayer(descriptor: Descriptor): boolean {
  return BY_NAME.get(descriptor.mediaType)?.foreign === true;
}

/** A layer's descriptor with the image-spec's media type; the blob is the same. Throws IMAGE_UNSUPPORTED_LAYER. */
export function toOciLayer(descriptor: Descriptor): Descriptor {
  return { ...descriptor, mediaType: lookup(descriptor.mediaType).oci };
}

/** A layer's descriptor with Docker's media type. Throws IMAGE_UNSUPPORTED_LAYER where Docker has none. */
export function toDockerLayer(descriptor: Descriptor): Descriptor {
  const { docker } = lookup(descriptor.mediaType);
  if (docker === undefined) throw unsupported(descriptor.mediaType);
  return { ...descriptor, mediaType: docker };
}

function lookup(mediaType: string): LayerType {
  const type = BY_NAME.get(mediaType);
  if (type === undefined) throw unsupported(mediaType);
  return type;
}

function unsupported(mediaType: string): VarveError {
  return new VarveError("IMAGE_UNSUPPORTED_LAYER", `layers of media type ${JSON.stringify(mediaType.slice(0, 200))} are not supported`);
}
