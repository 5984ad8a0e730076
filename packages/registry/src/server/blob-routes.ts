import { type Digest, isDigest } from "@varve/oci";
import { ApiError } from "./api-error.ts";
import { parseByteRange } from "./byte-range.ts";
import { type Exchange, replyEmpty, replyStream } from "./exchange.ts";

const BLOB_TYPE = "application/octet-stream";

/**
 * GET and HEAD of a blob (distribution-spec, "Pulling blobs"), also by Range. A blob of the store is in every repository: there
 * are no accounts to keep apart, and what is there need not be uploaded again.
 */
export async function serveBlob(exchange: Exchange, digestText: string): Promise<void> {
  const { request, response, store, signal } = exchange;
  const digest = checkedDigest(digestText);
  const size = await store.blobSize(digest, { signal });
  if (size === undefined) throw new ApiError("BLOB_UNKNOWN", `blob ${digest} is not here`);
  const etag = `"${digest}"`;
  const headers = { "docker-content-digest": digest, etag, "accept-ranges": "bytes", "content-type": BLOB_TYPE, "cache-control": "max-age=31536000" };
  if (request.headers["if-none-match"] === etag) return replyEmpty(exchange, 304, headers);
  const isHead = request.method === "HEAD";
  const range = isHead ? undefined : parseByteRange(request.headers.range, size);
  if (range === "unsatisfiable")
    throw new ApiError("SIZE_INVALID", "the range lies outside the blob", { status: 416, headers: { "content-range": `bytes */${size}` } });
  const descriptor = { mediaType: BLOB_TYPE, digest, size };
  if (range === undefined) {
    response.writeHead(200, { ...headers, "content-length": String(size) });
    if (isHead) response.end();
    else await replyStream(exchange, await store.fetch(descriptor, { signal }));
    return;
  }
  const { start, end } = range;
  const stream = await store.fetchRange(descriptor, start, end - start, { signal });
  response.writeHead(206, { ...headers, "content-length": String(end - start), "content-range": `bytes ${start}-${end - 1}/${size}` });
  await replyStream(exchange, stream);
}

/** A digest of a path or query; DIGEST_INVALID for what is none, also for algorithms other than sha256. */
export function checkedDigest(text: string): Digest {
  if (isDigest(text)) return text;
  throw new ApiError("DIGEST_INVALID", `${JSON.stringify(text.slice(0, 150))} is not sha256: and 64 lower-case hex digits`);
}
