import { type ByteStream, streamOf } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import type { Descriptor } from "@varve/oci";
import { networkFailure } from "./failure.ts";
import { responseError } from "./response-error.ts";
import { createRetries, type Retries, TransientFailure } from "./retry.ts";
import type { ApiRequest, RegistrySession } from "./session.ts";
import type { HttpResponse } from "./transport.ts";
import { mismatch, Verifier } from "./verify.ts";

/** A blob, or a part of one, to be read. */
export interface DownloadRequest {
  readonly descriptor: Descriptor;
  /** `/v2/<repository>/blobs/<digest>`. */
  readonly target: string;
  readonly scopes: readonly string[];
  readonly what: string;
  /** Bytes; without it the whole blob, whose digest is verified. */
  readonly part?: { readonly offset: number; readonly length: number } | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Starts a download; rejects when the registry doesn't have the blob. A connection that breaks is taken up again with Range where the
 * bytes ended; every piece that arrives starts the count of tries anew. The stream ends with REGISTRY_DIGEST_MISMATCH when the bytes are others.
 */
export async function download(session: RegistrySession, request: DownloadRequest): Promise<ByteStream> {
  if (request.part?.length === 0) return streamOf();
  const transfer = new Download(session, request);
  await transfer.start();
  return transfer;
}

/** Not a generator: one that is given up before its first `next` would never free the connection. */
class Download implements ByteStream, AsyncIterator<Uint8Array, undefined> {
  readonly #session: RegistrySession;
  readonly #request: DownloadRequest;
  readonly #retries: Retries;
  readonly #verifier: Verifier | undefined;
  readonly #start: number;
  readonly #end: number;
  #at: number;
  #response: HttpResponse | undefined;
  #pieces: AsyncIterator<Uint8Array> | undefined;
  #ended = false;

  constructor(session: RegistrySession, request: DownloadRequest) {
    const { descriptor, part } = request;
    this.#session = session;
    this.#request = request;
    this.#retries = createRetries(session.retry);
    this.#start = part?.offset ?? 0;
    this.#end = part === undefined ? descriptor.size : part.offset + part.length;
    this.#at = this.#start;
    this.#verifier = part === undefined ? new Verifier(descriptor, `from ${session.registry}`) : undefined;
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
    return this;
  }

  async start(): Promise<void> {
    while (this.#pieces === undefined) {
      try {
        await this.#open();
      } catch (error) {
        await this.#retries.pause(error, this.#request.signal);
      }
    }
  }

  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    while (!this.#ended) {
      try {
        const piece = await this.#read();
        if (piece === undefined) break;
        if (piece.length > 0) return { done: false, value: piece };
      } catch (error) {
        await this.#recover(error);
      }
    }
    return { done: true, value: undefined };
  }

  async return(): Promise<IteratorResult<Uint8Array, undefined>> {
    this.#ended = true;
    await this.#close();
    return { done: true, value: undefined };
  }

  async #read(): Promise<Uint8Array | undefined> {
    if (this.#pieces === undefined) await this.#open();
    const result = await this.#nextPiece();
    if (result.done === true) {
      this.#response = undefined;
      this.#pieces = undefined;
      if (this.#at < this.#end) throw this.#short();
      this.#verifier?.finish();
      this.#ended = true;
      return undefined;
    }
    const piece = this.#verifier === undefined ? result.value.subarray(0, this.#end - this.#at) : result.value;
    this.#verifier?.update(piece);
    this.#at += piece.length;
    if (piece.length > 0) this.#retries.progress();
    if (this.#verifier === undefined && this.#at === this.#end) {
      this.#ended = true;
      await this.#close();
    }
    return piece;
  }

  async #nextPiece(): Promise<IteratorResult<Uint8Array>> {
    try {
      return (await this.#pieces?.next()) ?? { done: true, value: undefined };
    } catch (error) {
      this.#request.signal?.throwIfAborted();
      const url = this.#response?.url;
      throw url === undefined ? error : networkFailure(error, { url, known: true });
    }
  }

  async #recover(error: unknown): Promise<void> {
    await this.#close();
    try {
      await this.#retries.pause(error, this.#request.signal);
    } catch (final) {
      this.#ended = true;
      throw final;
    }
  }

  #short(): Error {
    const { descriptor, what } = this.#request;
    const missing = this.#end - this.#at;
    if (this.#verifier !== undefined) return new TransientFailure(mismatch(descriptor, { size: this.#at }, `from ${this.#session.registry}`));
    return new TransientFailure(new VarveError("REGISTRY_UNREACHABLE", `${what}: the answer ended ${missing} bytes early`));
  }

  async #open(): Promise<void> {
    const { target, scopes, what, signal, part } = this.#request;
    const partial = this.#at > 0 || part !== undefined;
    const headers = partial ? { range: `bytes=${this.#at}-${part === undefined ? "" : this.#end - 1}` } : {};
    const request: ApiRequest = { method: "GET", target, scopes, what, signal, headers };
    const response = await this.#session.exchange(request);
    try {
      this.#pieces = await this.#accept(response, partial);
      this.#response = response;
    } catch (error) {
      await response.discard();
      throw error;
    }
  }

  async #accept(response: HttpResponse, partial: boolean): Promise<AsyncIterator<Uint8Array>> {
    const { what, descriptor } = this.#request;
    const { registry } = this.#session;
    // nothing behind what there is already
    if (partial && response.status === 416) throw mismatch(descriptor, { size: this.#at }, `from ${registry}`);
    if (response.status !== 200 && !(partial && response.status === 206)) throw await responseError(response, what);
    const encoding = response.header("content-encoding") ?? "identity";
    if (encoding !== "identity")
      throw new VarveError("REGISTRY_PROTOCOL", `${what}: ${registry} sends it with the encoding ${JSON.stringify(encoding)}, which was not asked for`);
    const pieces = response.body[Symbol.asyncIterator]();
    if (response.status === 206) {
      const from = /^\s*bytes\s+(\d+)-/i.exec(response.header("content-range") ?? "")?.[1];
      if (Number(from) !== this.#at) throw new VarveError("REGISTRY_PROTOCOL", `${what}: ${registry} sends another range than was asked for`);
      return pieces;
    }
    const length = response.header("content-length");
    // known before a byte has moved
    if (length !== undefined && Number(length) !== descriptor.size) throw mismatch(descriptor, { size: Number(length) }, `from ${registry}`);
    // the whole blob in place of the part: read past what is there already
    return this.#at === 0 ? pieces : skip(pieces, this.#at);
  }

  async #close(): Promise<void> {
    const response = this.#response;
    this.#response = undefined;
    this.#pieces = undefined;
    await response?.discard();
  }
}

async function* skip(pieces: AsyncIterator<Uint8Array>, count: number): AsyncGenerator<Uint8Array, void, undefined> {
  let left = count;
  for (;;) {
    const { done, value } = await pieces.next();
    if (done === true) return;
    if (value.length > left) yield left === 0 ? value : value.subarray(left);
    left = Math.max(0, left - value.length);
  }
}
