import { VarveError } from "@varve/errors";
import { type Descriptor, isDigest, isIndexType, isManifestType, MEDIA_TYPES } from "@varve/oci";
import { readBody } from "./response-body.ts";
import { responseError } from "./response-error.ts";
import { withRetries } from "./retry.ts";
import type { ApiRequest, RegistrySession } from "./session.ts";
import type { HttpResponse } from "./transport.ts";
import { digestOf, mismatch } from "./verify.ts";

/** hardening.md, "Limits". */
const MANIFEST_LIMIT = 4 * 1024 * 1024;

/** What is understood, best first. */
const ACCEPT = [MEDIA_TYPES.ociIndex, MEDIA_TYPES.dockerIndex, MEDIA_TYPES.ociManifest, MEDIA_TYPES.dockerManifest].join(", ");

/** A manifest's or index's bytes, as the registry has them, and what they are. */
export interface RemoteManifest {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

/**
 * Fetches a manifest or index whole (at most 4 MiB, else REGISTRY_TOO_LARGE); verified against `expected`, the digest it was asked by,
 * and the digest the registry announces.
 */
export async function fetchManifest(session: RegistrySession, request: ApiRequest, expected?: Descriptor): Promise<RemoteManifest> {
  const { what, signal } = request;
  return withRetries(
    session.retry,
    async () => {
      const response = await session.exchange({ ...request, method: "GET", headers: { accept: expected?.mediaType ?? ACCEPT } });
      if (response.status !== 200) throw await responseError(response, what);
      const mediaType = mediaTypeOf(response) ?? expected?.mediaType;
      const bytes = await readBody(response, { limit: MANIFEST_LIMIT, what, signal });
      const digest = digestOf(bytes);
      const announced = expected?.digest ?? announcedDigest(response, request);
      const size = expected?.size ?? bytes.length;
      if ((announced !== undefined && announced !== digest) || size !== bytes.length)
        throw mismatch({ digest: announced ?? digest, size }, { digest, size: bytes.length }, `from ${session.registry}`);
      if (mediaType === undefined) throw new VarveError("REGISTRY_PROTOCOL", `${what}: ${session.registry} does not say what it is`);
      if (expected !== undefined && expected.mediaType !== mediaType) {
        throw new VarveError("REGISTRY_PROTOCOL", `${what}: ${session.registry} calls it ${JSON.stringify(mediaType)} and not ${expected.mediaType}`);
      }
      requireKnown(mediaType, request);
      return { descriptor: { mediaType, digest, size: bytes.length }, bytes };
    },
    signal,
  );
}

/** The descriptor a tag or digest stands for, by HEAD; by GET where the registry's HEAD doesn't tell. */
export async function resolveManifest(session: RegistrySession, request: ApiRequest): Promise<Descriptor> {
  const response = await session.send({ ...request, method: "HEAD", headers: { accept: ACCEPT } });
  await response.discard();
  const mediaType = mediaTypeOf(response);
  const digest = announcedDigest(response, request);
  const size = Number(response.header("content-length") ?? Number.NaN);
  const isWhole = response.status === 200 && digest !== undefined && mediaType !== undefined && Number.isSafeInteger(size) && size > 0;
  // also for an error: HEAD has no body to say what is wrong
  if (!isWhole || !isKnown(mediaType)) return (await fetchManifest(session, request)).descriptor;
  return { mediaType, digest, size };
}

/** The digest asked for by, or the one the registry names; `undefined` when neither is (a sha256). */
function announcedDigest(response: HttpResponse, request: ApiRequest): Descriptor["digest"] | undefined {
  const asked = String(request.target).slice(String(request.target).lastIndexOf("/") + 1);
  if (isDigest(asked)) return asked;
  const named = response.header("docker-content-digest") ?? "";
  return isDigest(named) ? named : undefined;
}

function mediaTypeOf(response: HttpResponse): string | undefined {
  return response.header("content-type")?.split(";")[0]?.trim().toLowerCase();
}

function isKnown(mediaType: string): boolean {
  return isManifestType(mediaType) || isIndexType(mediaType);
}

function requireKnown(mediaType: string, { what }: ApiRequest): void {
  if (isKnown(mediaType)) return;
  const obsolete = mediaType.startsWith("application/vnd.docker.distribution.manifest.v1");
  const hint = obsolete ? "it is of Docker's obsolete schema 1: push the image again with a current tool" : undefined;
  throw new VarveError("REGISTRY_PROTOCOL", `${what} is no image manifest or index but ${JSON.stringify(mediaType.slice(0, 200))}`, { hint });
}
