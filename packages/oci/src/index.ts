export { canonicalJson } from "./canonical-json.ts";
export type {
  BlobIngester,
  BlobWriter,
  Existence,
  Fetcher,
  GrowingBlob,
  IOOptions,
  Mounter,
  Pusher,
  RangeFetcher,
  Resolver,
  Source,
  Tagger,
  Target,
} from "./content.ts";
export type { Descriptor } from "./descriptor.ts";
export { parseDescriptor } from "./descriptor-parser.ts";
export { type ChainID, type DiffID, type Digest, digestFromHex, digestHex, isDigest, parseDiffID, parseDigest } from "./digest.ts";
export type { Healthcheck, HistoryEntry, ImageConfig, RuntimeConfig } from "./image-config.ts";
export { parseImageConfig, parseRuntimeConfig, serializeImageConfig } from "./image-config-parser.ts";
export { DOCUMENT_LIMIT } from "./json-document.ts";
export type { Index, Manifest } from "./manifest.ts";
export { parseIndex, parseManifest } from "./manifest-parser.ts";
export { isIndexType, isManifestType, MEDIA_TYPES } from "./media-types.ts";
export { formatPlatform, normalizePlatform, parsePlatform, type Platform } from "./platform.ts";
export { matchesPlatform, selectPlatform } from "./platform-match.ts";
export { familiarReference, formatReference, parseReference, type Reference, tryParseReference } from "./reference.ts";
