import type { ByteStream } from "@varve/bytes";
import type { GrowingBlob } from "@varve/oci";
import { responseError } from "./response-error.ts";
import type { RegistrySession } from "./session.ts";
import { beginUpload, completionURL, type UploadSession, uploadSession } from "./upload.ts";

/** What an upload needs to know besides. */
export interface GrowingUploadRequest extends GrowingBlob {
  readonly repository: string;
  readonly scopes: readonly string[];
  readonly what: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Uploads a blob while it is made: POST, all of it in one PATCH without a length, and PUT once its digest is known (distribution spec, "Pushing a blob in chunks"). There is one
 * try, since its bytes are there once: whatever fails rejects, and the registry is told to forget what it got.
 */
export async function uploadGrowing(session: RegistrySession, request: GrowingUploadRequest): Promise<void> {
  const { scopes, what, signal, stream, descriptor } = request;
  // told of when it is awaited
  descriptor.catch(() => {});
  let upload: UploadSession | undefined;
  let isOpened = false;
  try {
    upload = await beginUpload(session, request);
    const body = async (): Promise<ByteStream> => {
      if (isOpened) throw new Error(`${what}: the registry asks for its bytes again`);
      isOpened = true;
      return stream;
    };
    const headers = { "content-type": "application/octet-stream" };
    const sent = await session.exchange({ method: "PATCH", target: upload.location, scopes, what, signal, headers, body });
    if (sent.status !== 202) throw await responseError(sent, what);
    await sent.discard();
    upload = uploadSession(sent, what);
    const target = completionURL(upload.location, await descriptor);
    const done = await session.exchange({ method: "PUT", target, scopes, what, signal, headers: { ...headers, "content-length": "0" } });
    if (done.status !== 201 && done.status !== 204) throw await responseError(done, what);
    await done.discard();
  } catch (error) {
    if (!isOpened) await leave(stream);
    if (upload !== undefined) await cancel(session, request, upload);
    throw error;
  }
}

async function leave(stream: ByteStream): Promise<void> {
  await stream[Symbol.asyncIterator]().return?.();
}

/** A registry that won't forget it does so by itself, in time. */
async function cancel(session: RegistrySession, { scopes, what, signal }: GrowingUploadRequest, { location }: UploadSession): Promise<void> {
  if (signal?.aborted === true) return;
  const asked = session.exchange({ method: "DELETE", target: location, scopes, what, signal });
  await asked.then((response) => response.discard()).catch(() => {});
}
