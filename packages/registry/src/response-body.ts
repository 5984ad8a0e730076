import { collectBytes } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import { networkFailure } from "./failure.ts";
import { TransientFailure } from "./retry.ts";
import type { HttpResponse } from "./transport.ts";

/** What {@link readBody} reads. */
export interface BodyRequest {
  /** Bytes; past them REGISTRY_TOO_LARGE. */
  readonly limit: number;
  /** The operand, for messages. */
  readonly what: string;
  readonly signal?: AbortSignal | undefined;
}

/** Reads an answer's body whole. A body that breaks off is a TransientFailure: the request is worth another try. */
export async function readBody(response: HttpResponse, { limit, what, signal }: BodyRequest): Promise<Uint8Array> {
  const tooLarge = (): VarveError => new VarveError("REGISTRY_TOO_LARGE", `${what}: ${response.url.host} sends more than ${limit} bytes`);
  const length = Number(response.header("content-length") ?? Number.NaN);
  if (length > limit) {
    await response.discard();
    throw tooLarge();
  }
  let bytes: Uint8Array;
  try {
    bytes = await collectBytes(response.body, limit, tooLarge);
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof VarveError) throw error;
    throw networkFailure(error, { url: response.url, known: true });
  }
  if (bytes.length < length)
    throw new TransientFailure(
      new VarveError("REGISTRY_UNREACHABLE", `${what}: the answer of ${response.url.host} ended ${length - bytes.length} bytes early`),
    );
  return bytes;
}
