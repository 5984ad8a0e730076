import { readFile } from "node:fs/promises";
import { VarveError } from "@varve/errors";
import { canonicalJson, type Descriptor, type Index, MEDIA_TYPES, parseDigest } from "@varve/oci";
import { onDisk } from "./disk-error.ts";
import type { Ref } from "./store.ts";

/** image-spec annotations.md: what `skopeo … oci:DIR:NAME` looks for. The store holds many images, so it is the full name. */
const REF_NAME = "org.opencontainers.image.ref.name";
/** containerd's full name; other writers put only the tag into the one above. */
const FULL_NAME = "io.containerd.image.name";

/** `index.json` of a new store. */
export const EMPTY_INDEX: Index = { schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests: [] };

/** Reads `index.json`; STORE_CORRUPT_INDEX when it is not an image index. */
export async function readRefIndex(path: string): Promise<Index> {
  const text = await onDisk("read index.json", () => readFile(path, "utf8"));
  try {
    return parseRefIndex(JSON.parse(text));
  } catch (cause) {
    throw new VarveError("STORE_CORRUPT_INDEX", `${path} is not an image index`, { hint: "restore it, or move it away: blobs stay, names are lost", cause });
  }
}

/** Indented, as people read it. */
export function encodeRefIndex(index: Index): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(index, undefined, 2)}\n`);
}

/** Every named entry, sorted by name; of entries that share a name the first counts. */
export function refsOf(index: Index): readonly Ref[] {
  const refs = new Map<string, Ref>();
  for (const entry of index.manifests) {
    const name = nameOf(entry);
    if (name !== undefined && !refs.has(name)) refs.set(name, { name, descriptor: withoutName(entry) });
  }
  return [...refs.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** Whether {@link withRef} would change nothing but the order. */
export function isRef(index: Index, name: string, descriptor: Descriptor): boolean {
  const [only, ...others] = index.manifests.filter((entry) => nameOf(entry) === name);
  return only !== undefined && others.length === 0 && isSame(only, namedEntry(name, descriptor));
}

function isSame(one: Descriptor, other: Descriptor): boolean {
  return Buffer.from(canonicalJson(one)).equals(canonicalJson(other));
}

/** The index with `name` naming `descriptor`, and nothing else of that name. Unnamed entries stay. */
export function withRef(index: Index, name: string, descriptor: Descriptor): Index {
  return { ...index, manifests: [...withoutRef(index, name).manifests, namedEntry(name, descriptor)] };
}

function namedEntry(name: string, descriptor: Descriptor): Descriptor {
  const { mediaType, digest, size, platform, artifactType } = descriptor;
  return {
    mediaType,
    digest,
    size,
    annotations: { ...descriptor.annotations, [FULL_NAME]: name, [REF_NAME]: name },
    ...(platform === undefined ? {} : { platform }),
    ...(artifactType === undefined ? {} : { artifactType }),
  };
}

/** The index without `name`. */
export function withoutRef(index: Index, name: string): Index {
  return { ...index, manifests: index.manifests.filter((entry) => nameOf(entry) !== name) };
}

function nameOf(entry: Descriptor): string | undefined {
  return entry.annotations?.[FULL_NAME] ?? entry.annotations?.[REF_NAME];
}

function withoutName(entry: Descriptor): Descriptor {
  const { annotations, ...rest } = entry;
  const kept = Object.entries(annotations ?? {}).filter(([key]) => key !== FULL_NAME && key !== REF_NAME);
  return kept.length === 0 ? rest : { ...rest, annotations: Object.fromEntries(kept) };
}

function parseRefIndex(value: unknown): Index {
  if (!isRecord(value) || value["schemaVersion"] !== 2 || !Array.isArray(value["manifests"])) throw new Error("no list of manifests");
  const entries: unknown[] = value["manifests"];
  return { ...value, schemaVersion: 2, manifests: entries.map(parseEntry) };
}

function parseEntry(value: unknown): Descriptor {
  if (!isRecord(value)) throw new Error("an entry is no object");
  const { mediaType, digest, size, annotations } = value;
  if (typeof mediaType !== "string" || typeof digest !== "string" || typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) {
    throw new Error("an entry lacks mediaType, digest or size");
  }
  if (annotations !== undefined && annotations !== null && !isTextRecord(annotations)) throw new Error("an entry's annotations are not texts");
  const { annotations: _, ...rest } = value;
  return { ...rest, mediaType, digest: parseDigest(digest), size, ...(isTextRecord(annotations) ? { annotations } : {}) };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isTextRecord(value: unknown): value is Record<string, string> {
  return isRecord(value) && Object.values(value).every((item) => typeof item === "string");
}
