import { createHash } from "node:crypto";
import { canonicalJson, digestFromHex } from "@varve/oci";
import type { CacheKey, KeyComponent } from "./cache.ts";

/**
 * The key of a step: sha256 over the canonical JSON of its components in their order, each as `{"name":…,"value":…}`. Being JSON, no
 * value can pass for the end of one component and the start of another.
 */
export function createCacheKey(components: readonly KeyComponent[]): CacheKey {
  const kept = components.map(({ name, value }) => ({ name, value }));
  return { digest: digestFromHex(createHash("sha256").update(canonicalJson(kept)).digest("hex")), components: kept };
}
