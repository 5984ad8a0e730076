import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { VarveError } from "@varve/errors";
import { type Image, loadArchive, openImage } from "@varve/image";
import { type Descriptor, type IOOptions, parseIndex, type Platform } from "@varve/oci";
import type { Store } from "@varve/store";

const SCHEME = "oci-layout://";
const REF_NAME = "org.opencontainers.image.ref.name";

/** Whether a base is an OCI layout on this machine: `oci-layout://PATH[:TAG][@DIGEST]`. */
export function isLayoutReference(text: string): boolean {
  return text.startsWith(SCHEME);
}

/**
 * Opens an image of an OCI layout directory; its blobs are copied into the store first. Without a tag or digest it is the layout's only
 * image, else the one tagged `latest`. Throws BUILD_INVALID_OPTION when the layout has no such image.
 */
export async function openLayoutImage(store: Store, text: string, options: IOOptions & { readonly platform: Platform }): Promise<Image> {
  const { path, tag, digest } = await parseLayoutReference(text.slice(SCHEME.length));
  const { manifests } = parseIndex(await readIndex(path));
  const found = digest === undefined ? byTag(manifests, tag) : manifests.find((entry) => entry.digest === digest);
  if (found === undefined) {
    const known = manifests.flatMap((entry) => entry.annotations?.[REF_NAME] ?? []);
    throw new VarveError("BUILD_INVALID_OPTION", `the layout ${path} has no image ${digest ?? tag ?? "latest"}`, {
      hint: known.length === 0 ? undefined : `it has ${known.join(", ")}`,
    });
  }
  await loadArchive(store, path, { signal: options.signal });
  const { annotations: _annotations, ...descriptor } = found;
  return openImage(store, descriptor, options);
}

function byTag(manifests: readonly Descriptor[], tag: string | undefined): Descriptor | undefined {
  const [only] = manifests;
  if (tag === undefined && manifests.length === 1) return only;
  const wanted = tag ?? "latest";
  return manifests.find((entry) => entry.annotations?.[REF_NAME] === wanted || entry.annotations?.[REF_NAME]?.endsWith(`:${wanted}`) === true);
}

/** A path may hold colons: what is there as a whole is a path. */
async function parseLayoutReference(text: string): Promise<{ readonly path: string; readonly tag?: string; readonly digest?: string }> {
  const [, rest = text, digest] = /^(.*)@(sha256:[0-9a-f]{64})$/s.exec(text) ?? [];
  const found = digest === undefined ? {} : { digest };
  const [, path, tag] = /^(.*):([\w][\w.-]{0,127})$/s.exec(rest) ?? [];
  const whole = await stat(rest).then(
    () => true,
    () => false,
  );
  return whole || path === undefined || tag === undefined ? { path: rest, ...found } : { path, tag, ...found };
}

async function readIndex(path: string): Promise<Uint8Array> {
  try {
    return await readFile(join(path, "index.json"));
  } catch (cause) {
    throw new VarveError("BUILD_INVALID_OPTION", `${path} is no OCI layout`, { cause, hint: "a layout is a directory with index.json, oci-layout and blobs" });
  }
}
