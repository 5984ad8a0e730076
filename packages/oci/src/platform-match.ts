import { VarveError } from "@varve/errors";
import type { Descriptor } from "./descriptor.ts";
import type { Index } from "./manifest.ts";
import { isIndexType, isManifestType } from "./media-types.ts";
import { formatPlatform, normalizePlatform, type Platform } from "./platform.ts";

/**
 * The entry of an index that suits `wanted` best: the platform itself, then older variants, then the 32-bit sibling; last an entry
 * that names no platform. Among equals the first. Attestations (`unknown/unknown`) and what is neither manifest nor index are passed over.
 * Throws OCI_NO_MATCHING_PLATFORM, whose details list what there is.
 */
export function selectPlatform(index: Index, wanted: Platform): Descriptor {
  const accepted = acceptedPlatforms(wanted);
  let best: Descriptor | undefined;
  let bestRank = Number.POSITIVE_INFINITY;
  for (const entry of index.manifests) {
    const rank = rankOf(entry, accepted);
    if (rank >= bestRank) continue;
    best = entry;
    bestRank = rank;
  }
  if (best !== undefined) return best;
  const offered = index.manifests.flatMap((entry) => (entry.platform === undefined || isUnknown(entry.platform) ? [] : [formatPlatform(entry.platform)]));
  throw new VarveError("OCI_NO_MATCHING_PLATFORM", `no image for platform ${formatPlatform(wanted)} in the index`, {
    hint: offered.length === 0 ? "the index names no platform" : `it has ${[...new Set(offered)].join(", ")}`,
  });
}

/** Whether an image of platform `candidate` can stand for `wanted` (itself, an older variant, or the 32-bit sibling). */
export function matchesPlatform(candidate: Platform, wanted: Platform): boolean {
  return acceptedPlatforms(wanted).some((accepted) => samePlatform(accepted, normalizePlatform(candidate)));
}

function rankOf(entry: Descriptor, accepted: readonly Platform[]): number {
  if (!isManifestType(entry.mediaType) && !isIndexType(entry.mediaType)) return Number.POSITIVE_INFINITY;
  if (entry.platform === undefined) return entry.artifactType === undefined ? accepted.length : Number.POSITIVE_INFINITY;
  if (isUnknown(entry.platform)) return Number.POSITIVE_INFINITY;
  const candidate = normalizePlatform(entry.platform);
  const rank = accepted.findIndex((platform) => samePlatform(platform, candidate));
  return rank < 0 ? Number.POSITIVE_INFINITY : rank;
}

/** Every platform that can stand for `wanted`, best first, normalised. */
function acceptedPlatforms(wanted: Platform): readonly Platform[] {
  const { variant, ...rest } = normalizePlatform(wanted);
  const make = (architecture: string, of?: string): Platform => normalizePlatform({ ...rest, architecture, ...(of === undefined ? {} : { variant: of }) });
  switch (rest.architecture) {
    case "amd64":
      return [make("amd64", variant), ...lowerVersions(variant, 1).map((v) => make("amd64", v)), make("386")];
    case "arm":
      return [make("arm", variant), ...lowerVersions(variant, 5).map((v) => make("arm", v))];
    case "arm64": {
      const versions = arm64Versions(variant ?? "v8");
      if (versions.length === 0) return [make("arm64", variant)];
      return [...versions.map((v) => make("arm64", v)), ...["v8", "v7", "v6", "v5"].map((v) => make("arm", v))];
    }
    default:
      return [make(rest.architecture, variant)];
  }
}

/** `v3`, 1 → `v2`, `v1`. */
function lowerVersions(variant: string | undefined, lowest: number): string[] {
  const version = /^v([0-9]{1,2})$/.exec(variant ?? "")?.[1];
  const out: string[] = [];
  for (let v = Number(version ?? 0) - 1; v >= lowest; v--) out.push(`v${v}`);
  return out;
}

/** `v8.2` → v8.2, v8.1, v8.0. Armv9.n includes Armv8.(n+5). */
function arm64Versions(variant: string): string[] {
  const parsed = /^v([89])(?:\.([0-9]{1,2}))?$/.exec(variant);
  if (parsed === null) return [];
  const minor = Number(parsed[2] ?? 0);
  const down = (major: number, from: number): string[] => Array.from({ length: from + 1 }, (_, i) => `v${major}.${from - i}`);
  return parsed[1] === "9" ? [...down(9, minor), ...down(8, minor + 5)] : down(8, minor);
}

function samePlatform(accepted: Platform, candidate: Platform): boolean {
  if (accepted.os !== candidate.os || accepted.architecture !== candidate.architecture || accepted.variant !== candidate.variant) return false;
  const version = accepted["os.version"];
  const offered = candidate["os.version"];
  // Windows: the build number must agree, the revision need not
  return version === undefined || offered === undefined || offered === version || offered.startsWith(`${version}.`);
}

function isUnknown(platform: Platform): boolean {
  return platform.os === "unknown" || platform.architecture === "unknown";
}
