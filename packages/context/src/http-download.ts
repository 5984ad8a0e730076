import { VarveError } from "@varve/errors";
import { type Digest, type IOOptions, isDigest } from "@varve/oci";
import type { RemoteMemory } from "./remote-memory.ts";
import { createHttpGetter, type HttpAnswer, requestFailure } from "./http-get.ts";
import { createSpool, type Spool } from "./spool.ts";

/** What is remembered of a URL's file. */
export interface RemoteFile {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  /** Of Last-Modified, whole seconds since the epoch; else 0. */
  readonly mtime: number;
  readonly contentType: string;
  /** Header values that ask whether it is still the same (RFC 9110, section 8.8). */
  readonly etag?: string;
  readonly lastModified?: string;
}

/** A URL's file, fetched. */
export interface Download extends AsyncDisposable {
  readonly file: RemoteFile;
  readonly spool: Spool;
}

/** How a URL is fetched. */
export interface DownloadOptions extends IOOptions {
  /** Where the file is kept meanwhile. */
  readonly directory: string;
  readonly memory?: RemoteMemory | undefined;
  /** Only if it is not this any more. */
  readonly unless?: RemoteFile | undefined;
  /** Sees the bytes as they come. */
  readonly onBytes?: (piece: Uint8Array) => void;
}

/** By which time a file that is changed again surely has another Last-Modified, which counts seconds. Milliseconds; as RFC 7232 had it. */
const STRONG = 60_000;

/** Fetches a URL, redirects followed, and remembers it. `undefined` when it is what `unless` says. Throws CONTEXT_DOWNLOAD_FAILED. */
export async function download(url: string, options: DownloadOptions): Promise<Download | undefined> {
  await using client = await createHttpGetter();
  const spool = await createSpool(options.directory);
  let kept = false;
  try {
    const answer = await client.get(url, { "accept-encoding": "identity", "user-agent": "varve", ...conditions(options.unless) }, { signal: options.signal });
    if (options.unless !== undefined && isUnchanged(options.unless, answer.status, answer.header("etag"))) {
      await answer.discard();
      return undefined;
    }
    if (answer.status < 200 || answer.status > 299) {
      await answer.discard();
      throw new VarveError("CONTEXT_DOWNLOAD_FAILED", `${shownURL(url)} answered ${answer.status} ${answer.statusText}`.trimEnd());
    }
    for await (const piece of spool.keep(answer.body)) options.onBytes?.(piece);
    const file = describe(spool, answer);
    await options.memory?.remember(nameOf(url), file);
    kept = true;
    return { file, spool, [Symbol.asyncDispose]: async () => spool[Symbol.asyncDispose]() };
  } catch (cause) {
    if (cause instanceof VarveError || options.signal?.aborted === true) throw cause;
    throw new VarveError("CONTEXT_DOWNLOAD_FAILED", `cannot download ${shownURL(url)}`, { cause, hint: requestFailure(cause) });
  } finally {
    if (!kept) await spool[Symbol.asyncDispose]();
  }
}

/** What an earlier build fetched from a URL. */
export async function recallDownload(url: string, memory: RemoteMemory | undefined): Promise<RemoteFile | undefined> {
  const file = (await memory?.recall(nameOf(url))) as RemoteFile | undefined;
  return file !== undefined && isDigest(file.digest) && Number.isSafeInteger(file.size) && Number.isSafeInteger(file.mtime) ? file : undefined;
}

/** Without the user and password a URL may hold. */
export function shownURL(url: string): string {
  const parsed = new URL(url);
  parsed.username = "";
  parsed.password = "";
  return parsed.href;
}

function nameOf(url: string): string {
  return `http 1 ${url}`;
}

function conditions(unless: RemoteFile | undefined): Readonly<Record<string, string>> {
  if (unless?.etag !== undefined) return { "if-none-match": unless.etag };
  return unless?.lastModified === undefined ? {} : { "if-modified-since": unless.lastModified };
}

/** A server that ignores the condition but gives the same strong tag says so too. */
function isUnchanged(known: RemoteFile, status: number, etag: string | undefined): boolean {
  if (status === 304) return known.etag !== undefined || known.lastModified !== undefined;
  return status === 200 && etag !== undefined && etag === known.etag && !etag.startsWith("W/");
}

function describe(spool: Spool, answer: HttpAnswer): RemoteFile {
  const etag = answer.header("etag");
  const lastModified = answer.header("last-modified");
  const modified = Date.parse(lastModified ?? "");
  const isStrong = Date.parse(answer.header("date") ?? "") - modified >= STRONG;
  return {
    digest: spool.digest(),
    size: spool.size,
    mtime: Number.isNaN(modified) ? 0 : Math.floor(modified / 1000),
    contentType: answer.header("content-type") ?? "",
    ...(etag === undefined ? {} : { etag }),
    ...(lastModified === undefined || !isStrong ? {} : { lastModified }),
  };
}
