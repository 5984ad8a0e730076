import { VarveError } from "@varve/errors";
import {
  type Descriptor,
  type Fetcher,
  formatReference,
  isIndexType,
  isManifestType,
  parseIndex,
  parseReference,
} from "@varve/oci";
import type { Store } from "@varve/store";
import { type ArchiveMembers, readMember } from "./archive-members.ts";
import type { LoadOptions } from "./archive-loader.ts";
import { copyGraph } from "./graph-copier.ts";
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
  for (const { descriptor } of roots.values()) {
    await copyGraph(source, store, descriptor, { signal: options.signal, onProgress: options.onProgress });
  }
  return [...roots.values()];
}

/** Reads an OCI layout's blobs, verified. */
export function createLayoutFetcher(members: ArchiveMembers): Fetcher {
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
