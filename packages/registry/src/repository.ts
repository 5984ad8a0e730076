import { type ByteStream, collectBytes, streamOf } from "@varve/bytes";
import { isVarveError, VarveError } from "@varve/errors";
import { type Descriptor, type GrowingBlob, isDigest, isIndexType, isManifestType, type IOOptions } from "@varve/oci";
import type { RemoteRepository } from "./client.ts";
import { download } from "./download.ts";
import { digestOf, mismatch } from "./verify.ts";
import { uploadGrowing } from "./growing-upload.ts";
import { fetchManifest, type RemoteManifest, resolveManifest } from "./manifest.ts";
import { responseError } from "./response-error.ts";
import type { ApiRequest, RegistrySession } from "./session.ts";
import { listTags } from "./tag-list.ts";
import type { HttpResponse } from "./transport.ts";
import { upload, type UploadSession, uploadSession } from "./upload.ts";

const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
/** Manifests that were pushed and may be tagged next: bytes kept so that they need not be fetched back. */
const KEPT_MANIFESTS = 8;
const KEPT_SIZE = 256 * 1024;

/** {@link RemoteRepository} over HTTP. */
export class HttpRepository implements RemoteRepository {
  readonly registry: string;
  readonly repository: string;
  readonly #session: RegistrySession;
  readonly #pushed = new Map<string, Uint8Array>();
  /** Blobs known to be missing, so that a push after `has` doesn't ask again. */
  readonly #missing = new Set<string>();
  /** Sessions begun by mounts the registry would not make. */
  readonly #sessions = new Map<string, UploadSession>();

  constructor(session: RegistrySession, repository: string) {
    this.registry = session.registry;
    this.repository = repository;
    this.#session = session;
  }

  async fetch(descriptor: Descriptor, options?: IOOptions): Promise<ByteStream> {
    if (isManifest(descriptor)) {
      const { bytes } = await fetchManifest(this.#session, this.#manifestRequest("GET", descriptor.digest, options), descriptor);
      return streamOf(bytes);
    }
    return this.#download(descriptor, options);
  }

  async fetchRange(descriptor: Descriptor, offset: number, length: number, options?: IOOptions): Promise<ByteStream> {
    if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(length) || offset < 0 || length < 0 || offset + length > descriptor.size) {
      throw new VarveError("REGISTRY_RANGE", `bytes ${offset} to ${offset + length} of blob ${descriptor.digest} lie outside its ${descriptor.size} bytes`);
    }
    if (isManifest(descriptor)) {
      const { bytes } = await fetchManifest(this.#session, this.#manifestRequest("GET", descriptor.digest, options), descriptor);
      return streamOf(bytes.subarray(offset, offset + length));
    }
    return this.#download(descriptor, options, { offset, length });
  }

  async fetchManifest(reference: string, options?: IOOptions): Promise<RemoteManifest> {
    return fetchManifest(this.#session, this.#manifestRequest("GET", checkedReference(reference), options));
  }

  async resolve(reference: string, options?: IOOptions): Promise<Descriptor> {
    return resolveManifest(this.#session, this.#manifestRequest("HEAD", checkedReference(reference), options));
  }

  async has(descriptor: Descriptor, options?: IOOptions): Promise<boolean> {
    const there = await this.#isThere(descriptor, options);
    if (there) this.#missing.delete(descriptor.digest);
    else this.#missing.add(descriptor.digest);
    return there;
  }

  async push(descriptor: Descriptor, open: () => Promise<ByteStream>, options?: IOOptions): Promise<void> {
    if (isManifest(descriptor)) return this.#pushManifest(descriptor, open, options);
    const known = this.#missing.delete(descriptor.digest) || this.#sessions.has(descriptor.digest);
    if (!known && (await this.has(descriptor, options))) return;
    const session = this.#sessions.get(descriptor.digest);
    this.#sessions.delete(descriptor.digest);
    const { scopes, what } = this.#blobRequest("HEAD", descriptor, options, "push");
    await upload(this.#session, { descriptor, repository: this.repository, scopes, what, open, session, signal: options?.signal });
    this.#missing.delete(descriptor.digest);
  }

  async pushGrowing(blob: GrowingBlob, options?: IOOptions): Promise<void> {
    const what = `a new blob of ${this.#name()}`;
    await uploadGrowing(this.#session, { ...blob, repository: this.repository, scopes: this.#scopes("push"), what, signal: options?.signal });
  }

  async tag(descriptor: Descriptor, reference: string, options?: IOOptions): Promise<void> {
    if (!TAG.test(reference))
      throw new VarveError("REGISTRY_REFUSED", `${JSON.stringify(reference)} cannot be a tag`, {
        hint: "up to 128 letters, digits, _ . and -, not beginning with . or -",
      });
    const bytes =
      this.#pushed.get(descriptor.digest) ?? (await fetchManifest(this.#session, this.#manifestRequest("GET", descriptor.digest, options), descriptor)).bytes;
    await this.#putManifest(descriptor, bytes, reference, options);
  }

  async mount(descriptor: Descriptor, fromRepository: string, options?: IOOptions): Promise<boolean> {
    const { scopes, what, signal } = this.#blobRequest("HEAD", descriptor, options, "push");
    const query = new URLSearchParams({ mount: descriptor.digest, from: fromRepository });
    const request: ApiRequest = {
      method: "POST",
      target: `/v2/${this.repository}/blobs/uploads/?${query.toString()}`,
      scopes: fromRepository === this.repository ? scopes : [...scopes, `repository:${fromRepository}:pull`],
      headers: { "content-length": "0" },
      what,
      signal,
    };
    let response: HttpResponse;
    try {
      response = await this.#session.send(request);
    } catch (error) {
      // no token that reads the other repository
      if (isVarveError(error, "REGISTRY_UNAUTHORIZED", "REGISTRY_DENIED")) return false;
      throw error;
    }
    await response.discard();
    // anything but 201: the other repository or the blob is not there, or not for us; the blob can still be uploaded
    if (response.status === 202) this.#sessions.set(descriptor.digest, uploadSession(response, what));
    return response.status === 201;
  }

  async tags(options?: IOOptions): Promise<readonly string[]> {
    return listTags(this.#session, { repository: this.repository, scopes: this.#scopes("pull"), what: this.#name(), signal: options?.signal });
  }

  async #isThere(descriptor: Descriptor, options: IOOptions | undefined, access: Access = "pull"): Promise<boolean> {
    const request = isManifest(descriptor)
      ? { ...this.#manifestRequest("HEAD", descriptor.digest, options, access), headers: { accept: descriptor.mediaType } }
      : this.#blobRequest("HEAD", descriptor, options, access);
    try {
      const response = await this.#session.send(request);
      if (response.status === 200 || response.status === 404) {
        await response.discard();
        return response.status === 200;
      }
      const error = await responseError(response, request.what);
      // storage elsewhere that signs for GET only: not known to be there, and an upload does no harm
      if (response.url.pathname !== request.target) return false;
      throw error;
    } catch (error) {
      // some registries let nobody read a repository that is yet to be made, but those who may write make it
      if (access === "push" || !isVarveError(error, "REGISTRY_UNAUTHORIZED", "REGISTRY_DENIED")) throw error;
      return this.#isThere(descriptor, options, "push").catch(() => {
        throw error;
      });
    }
  }

  async #pushManifest(descriptor: Descriptor, open: () => Promise<ByteStream>, options: IOOptions | undefined): Promise<void> {
    const bytes = await collectBytes(await open(), descriptor.size, () => mismatch(descriptor, { size: descriptor.size + 1 }, "as it was to be uploaded"));
    const digest = digestOf(bytes);
    if (digest !== descriptor.digest || bytes.length !== descriptor.size)
      throw mismatch(descriptor, { digest, size: bytes.length }, "as it was to be uploaded");
    await this.#putManifest(descriptor, bytes, descriptor.digest, options);
    if (bytes.length > KEPT_SIZE) return;
    for (const [first] of this.#pushed) {
      if (this.#pushed.size < KEPT_MANIFESTS) break;
      this.#pushed.delete(first);
    }
    this.#pushed.set(descriptor.digest, bytes);
  }

  async #putManifest(descriptor: Descriptor, bytes: Uint8Array, reference: string, options: IOOptions | undefined): Promise<void> {
    const response = await this.#session.send({
      ...this.#manifestRequest("PUT", reference, options, "push"),
      headers: { "content-type": descriptor.mediaType, "content-length": String(bytes.length) },
      body: async () => bytes,
    });
    if (response.status !== 201) throw await responseError(response, this.#name(reference));
    await response.discard();
    const digest = response.header("docker-content-digest");
    if (digest !== undefined && isDigest(digest) && digest !== descriptor.digest)
      throw mismatch(descriptor, { digest, size: descriptor.size }, `on ${this.registry}`);
  }

  #download(descriptor: Descriptor, options: IOOptions | undefined, part?: { readonly offset: number; readonly length: number }): Promise<ByteStream> {
    const { target, scopes, what, signal } = this.#blobRequest("GET", descriptor, options);
    return download(this.#session, { descriptor, target: String(target), scopes, what, signal, part });
  }

  #blobRequest(method: ApiRequest["method"], { digest }: Descriptor, options: IOOptions | undefined, access: Access = "pull"): ApiRequest {
    return {
      method,
      target: `/v2/${this.repository}/blobs/${digest}`,
      scopes: this.#scopes(access),
      what: `blob ${digest} of ${this.#name()}`,
      signal: options?.signal,
    };
  }

  #manifestRequest(method: ApiRequest["method"], reference: string, options: IOOptions | undefined, access: Access = "pull"): ApiRequest {
    return {
      method,
      target: `/v2/${this.repository}/manifests/${reference}`,
      scopes: this.#scopes(access),
      what: this.#name(reference),
      signal: options?.signal,
    };
  }

  #scopes(access: Access): readonly string[] {
    return [`repository:${this.repository}:${access === "push" ? "pull,push" : "pull"}`];
  }

  #name(reference?: string): string {
    const suffix = reference === undefined ? "" : isDigest(reference) ? `@${reference}` : `:${reference}`;
    return `${this.registry}/${this.repository}${suffix}`;
  }
}

type Access = "pull" | "push";

function isManifest(descriptor: Descriptor): boolean {
  return isManifestType(descriptor.mediaType) || isIndexType(descriptor.mediaType);
}

/** A tag or a digest; anything else would change the URL's meaning. */
function checkedReference(reference: string): string {
  if (isDigest(reference) || TAG.test(reference)) return reference;
  throw new VarveError("REGISTRY_NOT_FOUND", `${JSON.stringify(reference.slice(0, 200))} is neither a tag nor a digest`);
}
