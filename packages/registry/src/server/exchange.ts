import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ByteStream } from "@varve/bytes";
import type { ApiError } from "./api-error.ts";
import type { RegistryStore } from "./registry-store.ts";
import type { ServedImages } from "./served-images.ts";

/** A request being answered. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly query: URLSearchParams;
  readonly store: RegistryStore;
  readonly images: ServedImages;
  /** Aborted when the client goes away or the server closes. */
  readonly signal: AbortSignal;
}

/** Headers of an answer. */
export type ReplyHeaders = Readonly<Record<string, string>>;

/** Answers without a body. */
export function replyEmpty({ response }: Exchange, status: number, headers: ReplyHeaders = {}): void {
  response.writeHead(status, { ...headers, ...(status === 204 || status === 304 ? {} : { "content-length": "0" }) }).end();
}

/** Answers with bytes; a HEAD gets the headers alone. */
export function replyBytes({ request, response }: Exchange, bytes: Uint8Array, headers: ReplyHeaders): void {
  response.writeHead(200, { ...headers, "content-length": String(bytes.length) });
  if (request.method === "HEAD") response.end();
  else response.end(bytes);
}

/** Answers with JSON. */
export function replyJson(exchange: Exchange, value: unknown, headers: ReplyHeaders = {}): void {
  replyBytes(exchange, new TextEncoder().encode(JSON.stringify(value)), { "content-type": "application/json", ...headers });
}

/** Sends a stream as the body; when it fails the connection is broken, so that nobody takes a part for the whole. */
export async function replyStream({ response }: Exchange, stream: ByteStream): Promise<void> {
  try {
    await pipeline(Readable.from(stream, { objectMode: false, highWaterMark: 1024 * 1024 }), response);
  } catch (error) {
    response.destroy();
    // a client that went away is no failure of ours
    if (error instanceof Error && "code" in error && error.code === "ERR_STREAM_PREMATURE_CLOSE") return;
    throw error;
  }
}

/** Answers with the distribution spec's error body. */
export function replyError({ request, response }: Pick<Exchange, "request" | "response">, error: ApiError): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const body = JSON.stringify({ errors: [{ code: error.code, message: error.message, detail: null }] });
  // what is left of a body is not read: the connection ends with the answer
  const close = request.complete ? {} : { connection: "close" };
  response.writeHead(error.status, { "content-type": "application/json", "content-length": String(Buffer.byteLength(body)), ...close, ...error.headers });
  if (request.method === "HEAD") response.end();
  else response.end(body);
}
