import type { ByteStream } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import type { Descriptor } from "@varve/oci";
import { resolveLocation } from "./redirect.ts";
import { responseError } from "./response-error.ts";
import { createRetries, type Retries, TransientFailure } from "./retry.ts";
import type { ApiRequest, RegistrySession } from "./session.ts";
import type { HttpResponse } from "./transport.ts";
import { Verifier } from "./verify.ts";

/** A blob to be stored. */
export interface UploadRequest {
  readonly descriptor: Descriptor;
  readonly repository: string;
  readonly scopes: readonly string[];
  readonly what: string;
  readonly open: () => Promise<ByteStream>;
  /** An upload session the registry has begun already (a mount it would not make). */
  readonly session?: UploadSession | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** An upload the registry has begun. */
export interface UploadSession {
  /** Where the next bytes go. */
  readonly location: URL;
  /** Bytes; what a chunk must have at least (`OCI-Chunk-Min-Length`). */
  readonly minimumChunk: number;
}

/** Bytes of a chunk, once a registry or a proxy before it has refused the whole in one body. */
const CHUNK = 16 * 1024 * 1024;

/**
 * Uploads a blob: POST, then the whole in one PUT (distribution spec, "POST then PUT"). When a body is too large for what lies between
 * (413), in chunks by PATCH. After a broken connection the session is asked how far it came, and the rest is sent; a session that is
 * gone is begun anew. Rejects with REGISTRY_DIGEST_MISMATCH when `open` gives other bytes than announced.
 */
export async function upload(session: RegistrySession, request: UploadRequest): Promise<void> {
  await new Upload(session, request).run();
}

/** Reads the session out of a 202; throws REGISTRY_PROTOCOL when it names none. */
export function uploadSession(response: HttpResponse, what: string): UploadSession {
  const location = response.header("location");
  if (location === undefined) throw new VarveError("REGISTRY_PROTOCOL", `${what}: ${response.url.host} began an upload without a Location`);
  const minimum = Number(response.header("oci-chunk-min-length") ?? 0);
  return { location: resolveLocation(location, response.url), minimumChunk: Number.isSafeInteger(minimum) && minimum > 0 ? minimum : 0 };
}

class Upload {
  readonly #session: RegistrySession;
  readonly #request: UploadRequest;
  readonly #retries: Retries;
  #upload: UploadSession | undefined;
  /** Bytes the registry has. */
  #offset = 0;
  #chunked = false;

  constructor(session: RegistrySession, request: UploadRequest) {
    this.#session = session;
    this.#request = request;
    this.#retries = createRetries(session.retry);
    this.#upload = request.session;
  }

  async run(): Promise<void> {
    for (;;) {
      try {
        this.#upload ??= await this.#begin();
        if (this.#chunked) await this.#sendChunks();
        await this.#complete();
        return;
      } catch (error) {
        await this.#recover(error);
        // the blob may have been completed, and only the answer lost
        if (this.#upload === undefined && (await this.#exists())) return;
      }
    }
  }

  async #begin(): Promise<UploadSession> {
    this.#offset = 0;
    return beginUpload(this.#session, this.#request);
  }

  /** Everything but what the last PUT takes. */
  async #sendChunks(): Promise<void> {
    const { size } = this.#request.descriptor;
    while (this.#upload !== undefined && this.#offset < size) {
      const end = Math.min(size, this.#offset + Math.max(CHUNK, this.#upload.minimumChunk));
      const headers = {
        "content-type": "application/octet-stream",
        "content-length": String(end - this.#offset),
        "content-range": `${this.#offset}-${end - 1}`,
      };
      const response = await this.#sendBody("PATCH", this.#upload.location, { headers, end });
      if (response.status !== 202) throw await this.#bodyError(response);
      await response.discard();
      this.#upload = uploadSession(response, this.#request.what);
      this.#offset = endOfRange(response) ?? end;
      this.#retries.progress();
    }
  }

  async #complete(): Promise<void> {
    const { descriptor } = this.#request;
    const left = descriptor.size - this.#offset;
    const location = completionURL(this.#upload?.location, descriptor);
    const range = this.#offset > 0 && left > 0 ? { "content-range": `${this.#offset}-${descriptor.size - 1}` } : {};
    const headers = { "content-type": "application/octet-stream", "content-length": String(left), ...range };
    const response = left === 0 ? await this.#ask("PUT", location, { headers }) : await this.#sendBody("PUT", location, { headers, end: descriptor.size });
    if (response.status !== 201 && response.status !== 204) throw await this.#bodyError(response);
    await response.discard();
  }

  async #bodyError(response: HttpResponse): Promise<Error> {
    const { what } = this.#request;
    if (response.status === 413 && !this.#chunked) {
      this.#chunked = true;
      return new TransientFailure(asVarveError(await responseError(response, what)));
    }
    // a session that is gone, or is not where it said it was: a new one is begun
    if (response.status === 404 || response.status === 416) {
      this.#upload = undefined;
      return new TransientFailure(asVarveError(await responseError(response, what)));
    }
    return responseError(response, what);
  }

  /** Waits, then finds out how much the registry has. */
  async #recover(error: unknown): Promise<void> {
    const { signal } = this.#request;
    await this.#retries.pause(error, signal);
    const begun = this.#upload;
    this.#upload = undefined;
    if (begun === undefined) return;
    try {
      const before = this.#offset;
      this.#upload = await this.#status(begun);
      if (this.#upload !== undefined && this.#offset > before) this.#retries.progress();
    } catch {
      // the session is not worth more questions; the next round begins a new one, and fails if the registry does
      signal?.throwIfAborted();
    }
  }

  async #status(begun: UploadSession): Promise<UploadSession | undefined> {
    const response = await this.#ask("GET", begun.location, {});
    await response.discard();
    if (response.status !== 204) return undefined;
    const end = endOfRange(response) ?? 0;
    if (end > this.#request.descriptor.size) return undefined;
    this.#offset = end;
    const location = response.header("location");
    return { ...begun, location: location === undefined ? begun.location : resolveLocation(location, response.url) };
  }

  async #exists(): Promise<boolean> {
    const { repository, descriptor } = this.#request;
    const response = await this.#session.send({ ...this.#request, method: "HEAD", target: `/v2/${repository}/blobs/${descriptor.digest}` });
    await response.discard();
    return response.status === 200;
  }

  #ask(method: "GET" | "PUT", target: string | URL, options: Pick<ApiRequest, "headers">): Promise<HttpResponse> {
    const { scopes, what, signal } = this.#request;
    return this.#session.exchange({ method, target, scopes, what, signal, ...options });
  }

  /** Sends the bytes from the offset to `end`. A failure of their source is that failure, whatever HTTP makes of it. */
  async #sendBody(method: "PATCH" | "PUT", target: URL, options: { readonly headers: Record<string, string>; readonly end: number }): Promise<HttpResponse> {
    const { scopes, what, signal } = this.#request;
    let failed: { readonly error: unknown } | undefined;
    const body = async (): Promise<ByteStream> => {
      failed = undefined;
      return this.#content(this.#offset, options.end, (error) => (failed = { error }));
    };
    try {
      return await this.#session.exchange({ method, target, scopes, what, signal, headers: options.headers, body });
    } catch (error) {
      if (failed !== undefined) throw failed.error;
      throw error;
    }
  }

  /** The blob's bytes from `offset` to `end`, those before read and hashed too: what is sent was verified by then. */
  async *#content(offset: number, end: number, onFailure: (error: unknown) => void): AsyncGenerator<Uint8Array, void, undefined> {
    const { descriptor, open, signal } = this.#request;
    const verifier = new Verifier(descriptor, "as it was to be uploaded");
    let verified = false;
    // a stream that is destroyed throws into its generator where it yields: that is not the source's failure
    let isYielding = false;
    try {
      for await (const piece of await open()) {
        signal?.throwIfAborted();
        const at = verifier.size;
        verifier.update(piece);
        const part = piece.subarray(Math.max(0, offset - at), Math.max(0, end - at));
        // the last bytes are held back until the whole is known to be right
        if (verifier.size === descriptor.size && !verified) {
          verifier.finish();
          verified = true;
        }
        isYielding = true;
        if (part.length > 0) yield part;
        isYielding = false;
        if (end < descriptor.size && verifier.size >= end) return;
      }
      if (!verified) verifier.finish();
    } catch (error) {
      if (!isYielding) onFailure(error);
      throw error;
    }
  }
}

/** Begins an upload. Rejects with what the registry says against it. */
export async function beginUpload(
  session: RegistrySession,
  { repository, scopes, what, signal }: Pick<UploadRequest, "repository" | "scopes" | "what" | "signal">,
): Promise<UploadSession> {
  const target = `/v2/${repository}/blobs/uploads/`;
  const response = await session.exchange({ method: "POST", target, scopes, what, signal, headers: { "content-length": "0" } });
  if (response.status !== 202) throw await responseError(response, what);
  await response.discard();
  return uploadSession(response, what);
}

/** The URL that completes an upload; its query is kept as the registry wrote it. */
export function completionURL(location: URL | undefined, { digest }: Descriptor): URL {
  if (location === undefined) throw new RangeError("an upload has begun");
  const url = new URL(location);
  url.search = `${url.search === "" ? "?" : `${url.search}&`}digest=${encodeURIComponent(digest)}`;
  return url;
}

/** `Range: 0-N` of an upload, as the offset after it; docker-registry says `0-0` for nothing as for one byte. */
function endOfRange(response: HttpResponse): number | undefined {
  const end = /^(?:bytes=)?0-(\d+)$/.exec(response.header("range")?.trim() ?? "")?.[1];
  if (end === undefined) return undefined;
  return end === "0" ? 0 : Number(end) + 1;
}

function asVarveError(error: Error): VarveError {
  if (error instanceof TransientFailure) return error.final;
  return error instanceof VarveError ? error : new VarveError("REGISTRY_PROTOCOL", error.message, { cause: error });
}
