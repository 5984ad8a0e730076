import path from "node:path";
import { VarveError } from "@varve/errors";
import { type Descriptor, type DiffID, formatReference, type ImageConfig, MEDIA_TYPES, parseImageConfig, parseReference } from "@varve/oci";
import type { Store } from "@varve/store";
import type { LoadOptions } from "./archive-loader.ts";
import { type ArchiveMembers, readMember } from "./archive-members.ts";
import { storeDocument, storeManifest } from "./image-writer.ts";
import { storeLayerTar } from "./layer-writer.ts";
import type { NamedImage } from "./layout-index.ts";

/** One row of a docker-archive's `manifest.json`. */
interface Row {
  readonly config: string;
  readonly names: readonly string[];
  readonly layers: readonly string[];
}

/**
 * Stores every image of a docker-archive (`docker save`, `podman save --format docker-archive`, `skopeo copy docker-archive:`, Bazel, Nix).
 * Configs keep their bytes, so that image IDs stay; such archives have no manifest, so one is made. Layers that are not compressed become so.
 */
export async function loadDockerArchive(store: Store, members: ArchiveMembers, options: LoadOptions): Promise<readonly NamedImage[]> {
  const layers = new Map<DiffID, Descriptor>();
  const images: NamedImage[] = [];
  for (const row of parseRows(await readMember(members, "manifest.json", options))) {
    const bytes = await readMember(members, row.config, options);
    if (bytes === undefined) throw invalid(`it has no config ${row.config}`);
    const config = parseImageConfig(bytes);
    const stored = await storeLayers(store, members, row, config, layers, options);
    const configDescriptor = await storeDocument(store, MEDIA_TYPES.ociConfig, bytes, options);
    images.push({ descriptor: await storeManifest(store, { config: configDescriptor, layers: stored }, options), names: row.names });
  }
  return images;
}

async function storeLayers(
  store: Store,
  members: ArchiveMembers,
  row: Row,
  config: ImageConfig,
  known: Map<DiffID, Descriptor>,
  options: LoadOptions,
): Promise<readonly Descriptor[]> {
  const diffIDs = config.rootfs.diff_ids;
  if (diffIDs.length !== row.layers.length) throw invalid(`${row.config} has ${diffIDs.length} diffIDs for ${row.layers.length} layers`);
  const descriptors: Descriptor[] = [];
  for (const [i, diffID] of diffIDs.entries()) {
    const name = row.layers[i] ?? "";
    const descriptor = known.get(diffID) ?? (await storeLayerTar(store, await members.open(name, options), { diffID, signal: options.signal }));
    if (!known.has(diffID)) options.onProgress?.({ type: "finished", descriptor, outcome: "copied" });
    known.set(diffID, descriptor);
    descriptors.push(descriptor);
  }
  return descriptors;
}

function parseRows(bytes: Uint8Array | undefined): readonly Row[] {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw invalid("its manifest.json is not JSON", cause);
  }
  if (!Array.isArray(value) || value.length === 0) throw invalid("its manifest.json lists no image");
  return value.map(parseRow);
}

function parseRow(value: unknown): Row {
  if (typeof value !== "object" || value === null) throw invalid("an entry of its manifest.json is not an object");
  const config: unknown = Reflect.get(value, "Config");
  const layers: unknown = Reflect.get(value, "Layers") ?? [];
  const tags: unknown = Reflect.get(value, "RepoTags") ?? [];
  if (typeof config !== "string" || !isTexts(layers) || !isTexts(tags)) throw invalid("an entry of its manifest.json is malformed");
  return { config: path.posix.normalize(config), layers, names: tags.map((tag) => formatReference(parseReference(tag))) };
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function invalid(why: string, cause?: unknown): VarveError {
  return new VarveError("IMAGE_INVALID_ARCHIVE", `the docker-archive is not readable: ${why}`, { cause });
}
