import { createHash } from "node:crypto";
import { collectBytes, streamOf } from "@varve/bytes";
import {
  type Descriptor,
  digestFromHex,
  DOCUMENT_LIMIT,
  type Index,
  isDigest,
  isIndexType,
  isManifestType,
  type Manifest,
  parseIndex,
  parseManifest,
} from "@varve/oci";
import { ApiError } from "./api-error.ts";
import { type Exchange, replyBytes, replyEmpty } from "./exchange.ts";

const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;

/** What a path of the API names. */
export interface ManifestPlace {
  readonly repository: string;
  /** A tag or a digest. */
  readonly reference: string;
}

/** GET and HEAD of a manifest (distribution-spec, "Pulling manifests"). */
export async function serveManifest(exchange: Exchange, place: ManifestPlace): Promise<void> {
  const { request, store, signal } = exchange;
  const descriptor = await findManifest(exchange, place);
  const { digest, mediaType } = descriptor;
  const headers = { "docker-content-digest": digest, etag: `"${digest}"`, "content-type": mediaType };
  if (request.headers["if-none-match"] === headers.etag) return replyEmpty(exchange, 304, headers);
  replyBytes(exchange, await collectBytes(await store.fetch(descriptor, { signal }), DOCUMENT_LIMIT, tooLarge), headers);
}

/** PUT of a manifest: checked, and everything it names must be here (distribution-spec, "Pushing Manifests"). */
export async function storeManifest(exchange: Exchange, { repository, reference }: ManifestPlace): Promise<void> {
  const { request, store, signal } = exchange;
  const isByDigest = isDigest(reference);
  if (!isByDigest && !TAG.test(reference)) throw new ApiError("MANIFEST_INVALID", `${JSON.stringify(reference.slice(0, 150))} is neither a tag nor a digest`);
  const mediaType = (request.headers["content-type"] ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
  const bytes = await collectBytes(request as AsyncIterable<Uint8Array>, DOCUMENT_LIMIT, tooLarge);
  const manifest = parseDocument(bytes, mediaType);
  const descriptor = { mediaType, digest: digestFromHex(createHash("sha256").update(bytes).digest("hex")), size: bytes.length };
  if (isByDigest && reference !== descriptor.digest) throw new ApiError("DIGEST_INVALID", `the manifest has the digest ${descriptor.digest}`);
  await requireChildren(exchange, repository, manifest);
  await store.push(descriptor, async () => streamOf(bytes), { signal });
  await exchange.images.add({ repository, tag: isByDigest ? undefined : reference }, descriptor);
  const subject = manifest.subject === undefined ? {} : { "oci-subject": manifest.subject.digest };
  replyEmpty(exchange, 201, { location: `/v2/${repository}/manifests/${descriptor.digest}`, "docker-content-digest": descriptor.digest, ...subject });
}

/** DELETE of a pushed tag, or of a pushed manifest with its tags. Blobs stay for the store's garbage collection. */
export async function removeManifest(exchange: Exchange, { repository, reference }: ManifestPlace): Promise<void> {
  const { images } = exchange;
  const removal = await (isDigest(reference) ? images.removeManifest(repository, reference) : images.removeTag(repository, reference));
  if (removal === "local") throw new ApiError("UNSUPPORTED", "it was not pushed here but is an image of this machine, which varve rmi removes");
  if (removal === "unknown") throw new ApiError("MANIFEST_UNKNOWN", `${repository} has no manifest ${JSON.stringify(reference.slice(0, 150))}`);
  replyEmpty(exchange, 202);
}

/** Reads a manifest or index; MANIFEST_INVALID (415) for types this registry doesn't know. */
function parseDocument(bytes: Uint8Array, mediaType: string): Manifest | Index {
  if (isManifestType(mediaType)) return parseManifest(bytes, mediaType);
  if (isIndexType(mediaType)) return parseIndex(bytes, mediaType);
  throw new ApiError("MANIFEST_INVALID", `${JSON.stringify(mediaType.slice(0, 150))} is no type of manifest that is served here`, { status: 415 });
}

async function findManifest({ images }: Exchange, { repository, reference }: ManifestPlace): Promise<Descriptor> {
  const served = await images.find(repository);
  if (served === undefined) throw new ApiError("NAME_UNKNOWN", `there is no repository ${repository}`);
  const found = isDigest(reference) ? await images.manifest(repository, reference) : served.tags.get(reference);
  if (found === undefined) throw new ApiError("MANIFEST_UNKNOWN", `${repository} has no manifest ${JSON.stringify(reference.slice(0, 150))}`);
  return found;
}

async function requireChildren({ store, images, signal }: Exchange, repository: string, manifest: Manifest | Index): Promise<void> {
  if ("manifests" in manifest) {
    for (const { digest } of manifest.manifests) {
      if ((await images.manifest(repository, digest)) === undefined) throw new ApiError("MANIFEST_BLOB_UNKNOWN", `${repository} has no manifest ${digest}`);
    }
    return;
  }
  for (const blob of [manifest.config, ...manifest.layers]) {
    // a foreign layer stays where its urls say
    if (blob.urls !== undefined && blob.urls.length > 0) continue;
    const size = await store.blobSize(blob.digest, { signal });
    if (size === undefined) throw new ApiError("MANIFEST_BLOB_UNKNOWN", `blob ${blob.digest} is not here`);
    if (size !== blob.size) throw new ApiError("MANIFEST_INVALID", `blob ${blob.digest} has ${size} bytes, not ${blob.size}`);
  }
}

function tooLarge(): ApiError {
  return new ApiError("MANIFEST_INVALID", `a manifest has at most ${DOCUMENT_LIMIT} bytes`, { status: 413 });
}
