export type { BlobIngester, BlobWriter, Existence, Fetcher, IOOptions, Mounter, Pusher, RangeFetcher, Resolver, Source, Tagger, Target } from "./content.ts";
export type { Descriptor } from "./descriptor.ts";
export { type ChainID, type DiffID, type Digest, digestFromHex, digestHex, isDigest, parseDiffID, parseDigest } from "./digest.ts";
export type { Healthcheck, HistoryEntry, ImageConfig, RuntimeConfig } from "./image-config.ts";
export type { Index, Manifest } from "./manifest.ts";
export { isIndexType, isManifestType, MEDIA_TYPES } from "./media-types.ts";
export type { Platform } from "./platform.ts";
export type { Reference } from "./reference.ts";
