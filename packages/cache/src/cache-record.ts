import { VarveError } from "@varve/errors";
import { canonicalJson, type Descriptor, parseDiffID, parseDigest } from "@varve/oci";
import type { CacheRecord, KeyComponent } from "./cache.ts";
import { createCacheKey } from "./cache-key.ts";

/** Canonical JSON. */
export function encodeCacheRecord(record: CacheRecord): Uint8Array {
  return canonicalJson(record);
}

/** Throws CACHE_CORRUPT_RECORD for what is no record of version 1, or one whose components don't give its key. */
export function decodeCacheRecord(bytes: Uint8Array): CacheRecord {
  try {
    return recordOf(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)));
  } catch (cause) {
    throw new VarveError("CACHE_CORRUPT_RECORD", "a cache record cannot be read", { cause });
  }
}

function recordOf(value: unknown): CacheRecord {
  if (!isObject(value) || value["version"] !== 1) throw new Error("no record of version 1");
  const components = arrayOf(value["components"]).map(componentOf);
  const key = parseDigest(textOf(value["key"]));
  if (createCacheKey(components).digest !== key) throw new Error("the key is not that of the components");
  const blob = value["blob"];
  return {
    version: 1,
    key,
    components,
    title: textOf(value["title"]),
    diffID: parseDiffID(textOf(value["diffID"])),
    ...(blob === undefined ? {} : { blob: descriptorOf(blob) }),
    created: textOf(value["created"]),
  };
}

function componentOf(value: unknown): KeyComponent {
  if (!isObject(value)) throw new Error("a component is no object");
  return { name: textOf(value["name"]), value: textOf(value["value"]) };
}

function descriptorOf(value: unknown): Descriptor {
  if (!isObject(value)) throw new Error("the blob is no object");
  const size = value["size"];
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) throw new Error("the blob's size is no size");
  const annotations = value["annotations"];
  return {
    mediaType: textOf(value["mediaType"]),
    digest: parseDigest(textOf(value["digest"])),
    size,
    ...(isObject(annotations) ? { annotations: Object.fromEntries(Object.entries(annotations).map(([name, text]) => [name, textOf(text)])) } : {}),
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function arrayOf(value: unknown): unknown[] {
  if (!Array.isArray(value)) throw new Error("a list is missing");
  return value;
}

function textOf(value: unknown): string {
  if (typeof value !== "string") throw new Error("a text is missing");
  return value;
}
