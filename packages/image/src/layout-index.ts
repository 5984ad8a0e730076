import { canonicalJson, type Descriptor, MEDIA_TYPES, parseReference } from "@varve/oci";

/** An image (or index) that is written out, and the names it goes by. */
export interface NamedImage {
  readonly descriptor: Descriptor;
  /** Full references, e.g. `docker.io/library/app:latest`; may be empty. */
  readonly names: readonly string[];
}

/** The annotation containerd and Docker name images of a layout by, in full. */
export const IMAGE_NAME_ANNOTATION = "io.containerd.image.name";
/** image-spec annotations.md; in a layout's index, the tag (image-layout.md). */
export const REF_NAME_ANNOTATION = "org.opencontainers.image.ref.name";

/** The content of `oci-layout` (image-spec image-layout.md). */
export const OCI_LAYOUT: Uint8Array = canonicalJson({ imageLayoutVersion: "1.0.0" });

/** `index.json` entries for images: one for each name, as BuildKit annotates them; a nameless image has one without annotations. */
export function layoutEntries(images: readonly NamedImage[]): readonly Descriptor[] {
  return images.flatMap(({ descriptor, names }) => (names.length === 0 ? [descriptor] : names.map((name) => namedEntry(descriptor, name))));
}

function namedEntry(descriptor: Descriptor, name: string): Descriptor {
  const { tag } = parseReference(name);
  return {
    ...descriptor,
    annotations: { ...descriptor.annotations, [IMAGE_NAME_ANNOTATION]: name, ...(tag === undefined ? {} : { [REF_NAME_ANNOTATION]: tag }) },
  };
}

/** `index.json` of a layout. */
export function layoutIndex(entries: readonly Descriptor[]): Uint8Array {
  return canonicalJson({ schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests: entries });
}

/** Where a blob is in a layout: `blobs/sha256/<hex>`. */
export function blobPath(descriptor: Pick<Descriptor, "digest">): string {
  return `blobs/${descriptor.digest.replace(":", "/")}`;
}
