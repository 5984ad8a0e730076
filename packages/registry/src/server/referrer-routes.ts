import { collectBytes } from "@varve/bytes";
import { type Descriptor, DOCUMENT_LIMIT, isIndexType, isManifestType, MEDIA_TYPES, parseIndex, parseManifest } from "@varve/oci";
import { checkedDigest } from "./blob-routes.ts";
import { type Exchange, replyJson } from "./exchange.ts";

/** GET of the manifests whose subject is `digest` (distribution-spec, "Listing Referrers"); an index, empty when there are none. */
export async function listReferrers(exchange: Exchange, repository: string, digestText: string): Promise<void> {
  const digest = checkedDigest(digestText);
  const served = await exchange.images.find(repository);
  const wanted = exchange.query.get("artifactType");
  const manifests: Descriptor[] = [];
  for (const descriptor of served?.manifests.values() ?? []) {
    const referrer = await readReferrer(exchange, descriptor);
    if (referrer?.subject !== digest) continue;
    if (wanted === null || referrer.descriptor.artifactType === wanted) manifests.push(referrer.descriptor);
  }
  const filtered = wanted === null ? {} : { "oci-filters-applied": "artifactType" };
  replyJson(exchange, { schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests }, { "content-type": MEDIA_TYPES.ociIndex, ...filtered });
}

interface Referrer {
  readonly subject: string;
  readonly descriptor: Descriptor;
}

async function readReferrer({ store, signal }: Exchange, { mediaType, digest, size }: Descriptor): Promise<Referrer | undefined> {
  if (!isIndexType(mediaType) && !isManifestType(mediaType)) return undefined;
  const stream = await store.fetch({ mediaType, digest, size }, { signal });
  const bytes = await collectBytes(stream, DOCUMENT_LIMIT, () => new RangeError("a stored manifest is within the limit"));
  const manifest = isIndexType(mediaType) ? parseIndex(bytes, mediaType) : parseManifest(bytes, mediaType);
  if (manifest.subject === undefined) return undefined;
  // an image manifest without a type of its own goes by its config's
  const artifactType = manifest.artifactType ?? ("config" in manifest ? manifest.config.mediaType : undefined);
  const { annotations } = manifest;
  const descriptor = {
    mediaType,
    digest,
    size,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(annotations === undefined ? {} : { annotations }),
  };
  return { subject: manifest.subject.digest, descriptor };
}
