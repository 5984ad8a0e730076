import { VarveError } from "@varve/errors";
import { type Descriptor, type Fetcher, formatReference, isIndexType, isManifestType, parseIndex, parseReference } from "@varve/oci";
import type { Store } from "@varve/store";
import { type ArchiveMembers, readMember } from "./archive-members.ts";
import type { LoadOptions } from "./archive-loader.ts";
import { fetchDocument } from "./document.ts";
import { copyGraph } from "./graph-copier.ts";
import { storeIndex } from "./image-writer.ts";
import { blobPath, IMAGE_NAME_ANNOTATION, type NamedImage, REF_NAME_ANNOTATION } from "./layout-index.ts";
import { verifiedStream } from "./verified-stream.ts";

/** Stores every image of an OCI layout (image-spec image-layout.md). */
export async function loadLayout(store: Store, members: ArchiveMembers, options: LoadOptions): Promise<readonly NamedImage[]> {
  const bytes = await readMember(members, "index.json", options);
  if (bytes === undefined) throw new VarveError("IMAGE_INVALID_ARCHIVE", "the layout has no index.json");
  const roots = new Map<string, { readonly descriptor: Descriptor; readonly names: string[] }>();
  for (const entry of parseIndex(bytes).manifests) {
    if (!isManifestType(entry.mediaType) && !isIndexType(entry.mediaType)) continue;
    const { annotations, ...descriptor } = entry;
    const root = roots.get(entry.digest) ?? { descriptor, names: new Array<string>() };
    roots.set(entry.digest, root);
    const name = imageName(annotations ?? {});
    if (name !== undefined && !root.names.includes(name)) root.names.push(name);
  }
  if (roots.size === 0) throw new VarveError("IMAGE_INVALID_ARCHIVE", "the layout's index.json names no image");
  const source = createLayoutFetcher(members);
  const loaded: NamedImage[] = [];
  for (const { descriptor: root, names } of roots.values()) {
    const descriptor = isIndexType(root.mediaType) ? await presentImages(store, members, root, options) : root;
    await copyGraph(fallingBack(source, store), store, descriptor, { signal: options.signal, onProgress: options.onProgress });
    loaded.push({ descriptor, names });
  }
  return loaded;
}

/**
 * Docker saves an index as it was pulled, also when it has the images of some platforms only. Then what there is stands for it: the one
 * image, or an index of those there are.
 */
async function presentImages(store: Store, members: ArchiveMembers, root: Descriptor, options: LoadOptions): Promise<Descriptor> {
  const source = createLayoutFetcher(members);
  const index = parseIndex(await fetchDocument(source, root, options), root.mediaType);
  const present: Descriptor[] = [];
  for (const entry of index.manifests) if (await members.has(blobPath(entry))) present.push(entry);
  if (present.length === index.manifests.length) return root;
  const images = present.filter((entry) => entry.platform?.os !== "unknown");
  const [only] = images;
  if (only === undefined) throw new VarveError("IMAGE_INVALID_ARCHIVE", `the archive has none of the images of index ${root.digest}`);
  if (images.length === 1) return { mediaType: only.mediaType, digest: only.digest, size: only.size };
  for (const { mediaType, digest, size } of images) await copyGraph(source, store, { mediaType, digest, size }, { signal: options.signal });
  return storeIndex(
    store,
    images.map(({ platform, mediaType, digest, size }) => ({ platform, descriptor: { mediaType, digest, size } })),
    options,
  );
}

/** An index made here is in the store only. */
function fallingBack(source: Fetcher, store: Store): Fetcher {
  return {
    async fetch(descriptor, options) {
      return (await store.has(descriptor, options)) ? store.fetch(descriptor, options) : source.fetch(descriptor, options);
    },
  };
}

/** Reads an OCI layout's blobs, verified. */
function createLayoutFetcher(members: ArchiveMembers): Fetcher {
  return {
    async fetch(descriptor, options) {
      return verifiedStream(await members.open(blobPath(descriptor), options), descriptor);
    },
  };
}

/** containerd, Docker and BuildKit give the full name apart; podman and skopeo write it as the ref's name, where a lone tag is no name. */
function imageName(annotations: Readonly<Record<string, string>>): string | undefined {
  const full = annotations[IMAGE_NAME_ANNOTATION];
  const ref = annotations[REF_NAME_ANNOTATION];
  const text = full ?? (ref?.includes("/") === true || ref?.includes(":") === true ? ref : undefined);
  if (text === undefined) return undefined;
  try {
    return formatReference(parseReference(text));
  } catch {
    // the grammar of ref names is wider than that of references; such an image is loaded without a name
    return undefined;
  }
}
