import { isDigest } from "@varve/oci";
import { ApiError } from "./api-error.ts";
import { checkedDigest } from "./blob-routes.ts";
import { type Exchange, replyEmpty } from "./exchange.ts";
import type { UploadSession, UploadSessions } from "./upload-sessions.ts";

/** POST of an upload: mounts a blob, takes one whole (`?digest=`), or begins a session (distribution-spec, "Pushing blobs"). */
export async function beginUpload(exchange: Exchange, sessions: UploadSessions, repository: string): Promise<void> {
  const { query, store, signal } = exchange;
  const mounted = query.get("mount");
  // every blob of the store is in every repository
  if (mounted !== null && isDigest(mounted) && (await store.blobSize(mounted, { signal })) !== undefined) return replyCreated(exchange, repository, mounted);
  const whole = query.get("digest");
  if (whole !== null) checkedDigest(whole);
  const session = await sessions.begin(repository);
  if (whole === null) return replyProgress(exchange, session, 202);
  await completeUpload(exchange, session);
}

/** GET, PATCH, PUT and DELETE of a session. */
export async function continueUpload(exchange: Exchange, sessions: UploadSessions, place: { readonly id: string; readonly repository: string }): Promise<void> {
  const { request } = exchange;
  const session = await sessions.take(place.id, place.repository);
  if (session === undefined) throw new ApiError("BLOB_UPLOAD_UNKNOWN", "there is no such upload; it may have been given up");
  if (request.method === "GET") return replyProgress(exchange, session, 204);
  if (request.method === "DELETE") {
    await session.abort();
    return replyEmpty(exchange, 204);
  }
  requireContinuation(exchange, session);
  if (request.method === "PUT") return completeUpload(exchange, session);
  await session.append(request);
  replyProgress(exchange, session, 202);
}

async function completeUpload(exchange: Exchange, session: UploadSession): Promise<void> {
  const digest = checkedDigest(exchange.query.get("digest") ?? "");
  await session.append(exchange.request);
  await session.commit(digest);
  replyCreated(exchange, session.repository, digest);
}

/** A chunk that says where it belongs must belong at the end of what is there. */
function requireContinuation({ request }: Exchange, session: UploadSession): void {
  const range = request.headers["content-range"];
  if (range === undefined) return;
  const start = /^(?:bytes[ =])?\s*(\d+)-\d+(?:\/(?:\d+|\*))?$/.exec(range.trim())?.[1];
  if (start !== undefined && Number(start) === session.offset) return;
  throw new ApiError("BLOB_UPLOAD_INVALID", `the upload has ${session.offset} bytes; the chunk does not begin there`, { headers: progressHeaders(session) });
}

function replyProgress(exchange: Exchange, session: UploadSession, status: 202 | 204): void {
  replyEmpty(exchange, status, progressHeaders(session));
}

function progressHeaders({ id, repository, offset }: UploadSession): Readonly<Record<string, string>> {
  return { location: `/v2/${repository}/blobs/uploads/${id}`, range: `0-${Math.max(0, offset - 1)}`, "docker-upload-uuid": id };
}

function replyCreated(exchange: Exchange, repository: string, digest: string): void {
  replyEmpty(exchange, 201, { location: `/v2/${repository}/blobs/${digest}`, "docker-content-digest": digest });
}
