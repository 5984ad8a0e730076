import { open } from "node:fs/promises";
import { type Descriptor, type Digest, MEDIA_TYPES } from "@varve/oci";
import { errnoOf, onDisk } from "./disk-error.ts";

/** hardening.md: a manifest has at most 4 MiB. */
const MANIFEST_LIMIT = 4 * 1024 * 1024;

/**
 * The descriptor of a blob that nothing in `index.json` describes, when it is a manifest or an index; undefined otherwise. A manifest
 * without `mediaType` is told by its fields. The content is only looked at: `fetch` verifies it.
 */
export async function manifestDescriptor(path: string, digest: Digest): Promise<Descriptor | undefined> {
  const bytes = await onDisk("read a manifest", () => readSmallFile(path));
  if (bytes === undefined) return undefined;
  const mediaType = manifestMediaType(bytes);
  return mediaType === undefined ? undefined : { mediaType, digest, size: bytes.length };
}

async function readSmallFile(path: string): Promise<Uint8Array | undefined> {
  try {
    const handle = await open(path, "r");
    try {
      const { size } = await handle.stat();
      return size > MANIFEST_LIMIT ? undefined : await handle.readFile();
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

function manifestMediaType(bytes: Uint8Array): string | undefined {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null || !("schemaVersion" in value) || value.schemaVersion !== 2) return undefined;
  if ("mediaType" in value && typeof value.mediaType === "string") return value.mediaType;
  if ("manifests" in value && !("layers" in value)) return MEDIA_TYPES.ociIndex;
  return "layers" in value && !("manifests" in value) ? MEDIA_TYPES.ociManifest : undefined;
}
