import type { ByteStream } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import { type Digest, type IOOptions, isDigest } from "@varve/oci";
import type { RemoteMemory } from "./remote-memory.ts";
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
  // loaded when needed only: most builds download nothing
  const { EnvHttpProxyAgent, fetch } = await import("./http-client.ts");
  const dispatcher = new EnvHttpProxyAgent();
  const spool = await createSpool(options.directory);
  let kept = false;
  try {
    const response = await fetch(url, {
      dispatcher,
      redirect: "follow",
      headers: { "accept-encoding": "identity", "user-agent": "varve", ...conditions(options.unless) },
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    if (options.unless !== undefined && isUnchanged(options.unless, response.status, response.headers.get("etag"))) {
      await response.body?.cancel();
      return undefined;
    }
    if (!response.ok) {
      await response.body?.cancel();
      throw new VarveError("CONTEXT_DOWNLOAD_FAILED", `${shownURL(url)} answered ${response.status} ${response.statusText}`.trimEnd());
    }
    for await (const piece of spool.keep((response.body ?? emptyBody()) as ByteStream)) options.onBytes?.(piece);
    const file = describe(spool, response.headers);
    await options.memory?.remember(nameOf(url), file);
    kept = true;
    return { file, spool, [Symbol.asyncDispose]: async () => spool[Symbol.asyncDispose]() };
  } catch (cause) {
    if (cause instanceof VarveError || options.signal?.aborted === true) throw cause;
    throw new VarveError("CONTEXT_DOWNLOAD_FAILED", `cannot download ${shownURL(url)}`, { cause, hint: innermost(cause) });
  } finally {
    if (!kept) await spool[Symbol.asyncDispose]();
    await dispatcher.close();
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
function isUnchanged(known: RemoteFile, status: number, etag: string | null): boolean {
  if (status === 304) return known.etag !== undefined || known.lastModified !== undefined;
  return status === 200 && etag !== null && etag === known.etag && !etag.startsWith("W/");
}

function describe(spool: Spool, headers: { get(name: string): string | null }): RemoteFile {
  const etag = headers.get("etag");
  const lastModified = headers.get("last-modified");
  const modified = Date.parse(lastModified ?? "");
  const isStrong = Date.parse(headers.get("date") ?? "") - modified >= STRONG;
  return {
    digest: spool.digest(),
    size: spool.size,
    mtime: Number.isNaN(modified) ? 0 : Math.floor(modified / 1000),
    contentType: headers.get("content-type") ?? "",
    ...(etag === null ? {} : { etag }),
    ...(lastModified === null || !isStrong ? {} : { lastModified }),
  };
}

function innermost(cause: unknown): string | undefined {
  let at = cause;
  while (at instanceof Error && at.cause instanceof Error) at = at.cause;
  return at instanceof Error ? at.message : undefined;
}

async function* emptyBody(): AsyncGenerator<Uint8Array, void, undefined> {
  // a response without a body is an empty file
}
