import { createHash } from "node:crypto";
import { type ByteStream, toBytePath } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import type { Entry } from "@varve/layer";
import type { IOOptions } from "@varve/oci";
import type { OwningReader } from "./context.ts";
import { createSpool } from "./spool.ts";

/** A downloaded file. */
export interface HttpFile extends AsyncDisposable {
  /** Mode 0600, owner 0:0, mtime from Last-Modified (else the epoch); its path is the last component of the URL's (fact 31). */
  readonly entry: Omit<Entry, "node">;
  readonly contentType: string;
  readonly reader: OwningReader;
}

/** How a URL is fetched. */
export interface HttpFileOptions extends IOOptions {
  /** `sha256:…`, `sha384:…` or `sha512:…`. */
  readonly checksum?: string | undefined;
  /** Where the file is kept meanwhile. */
  readonly directory: string;
}

/** Downloads a URL, redirects followed. Throws CONTEXT_DOWNLOAD_FAILED and CONTEXT_CHECKSUM_MISMATCH. */
export async function httpFile(url: string, options: HttpFileOptions): Promise<HttpFile> {
  const checksum = parseChecksum(options.checksum);
  // loaded when needed only: most builds download nothing
  const { EnvHttpProxyAgent, fetch } = await import("./http-client.ts");
  const dispatcher = new EnvHttpProxyAgent();
  const spool = await createSpool(options.directory);
  try {
    const response = await fetch(url, {
      dispatcher,
      redirect: "follow",
      headers: { "accept-encoding": "identity", "user-agent": "varve" },
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    if (!response.ok) {
      await response.body?.cancel();
      throw new VarveError("CONTEXT_DOWNLOAD_FAILED", `${shown(url)} answered ${response.status} ${response.statusText}`.trimEnd());
    }
    const hash = checksum === undefined ? undefined : createHash(checksum.algorithm);
    for await (const piece of spool.keep((response.body ?? emptyBody()) as ByteStream)) hash?.update(piece);
    const found = hash?.digest("hex");
    if (checksum !== undefined && found !== checksum.hex) {
      throw new VarveError("CONTEXT_CHECKSUM_MISMATCH", `${shown(url)} has the checksum ${checksum.algorithm}:${found ?? ""}`, {
        hint: `expected ${options.checksum ?? ""}`,
      });
    }
    const modified = Date.parse(response.headers.get("last-modified") ?? "");
    const entry: Omit<Entry, "node"> = {
      path: toBytePath(fileName(url)),
      type: "file",
      mode: 0o600,
      uid: 0,
      gid: 0,
      mtime: Number.isNaN(modified) ? 0 : Math.floor(modified / 1000),
      size: spool.size,
      content: spool.ref(0, spool.size),
    };
    return { entry, contentType: response.headers.get("content-type") ?? "", reader: spool.reader, [Symbol.asyncDispose]: () => spool[Symbol.asyncDispose]() };
  } catch (cause) {
    await spool[Symbol.asyncDispose]();
    if (cause instanceof VarveError || options.signal?.aborted === true) throw cause;
    throw new VarveError("CONTEXT_DOWNLOAD_FAILED", `cannot download ${shown(url)}`, { cause, hint: innermost(cause) });
  } finally {
    await dispatcher.close();
  }
}

/** BuildKit's name for what a URL without a path is saved as. */
function fileName(url: string): string {
  const path = new URL(url).pathname;
  let name = path.slice(path.lastIndexOf("/") + 1);
  try {
    name = decodeURIComponent(name);
  } catch {
    // kept as written: a stray percent sign is not an escape
  }
  return name === "" || name === "." || name === ".." || name.includes("/") || name.includes("\0") ? "__unnamed__" : name;
}

function parseChecksum(text: string | undefined): { readonly algorithm: string; readonly hex: string } | undefined {
  if (text === undefined || text === "") return undefined;
  const [, algorithm = "", hex = ""] = /^(sha256|sha384|sha512):([0-9a-f]+)$/.exec(text) ?? [];
  if (hex.length !== { sha256: 64, sha384: 96, sha512: 128 }[algorithm]) {
    throw new VarveError("CONTEXT_CHECKSUM_MISMATCH", `invalid checksum ${JSON.stringify(text)}`, { hint: "a checksum is sha256: followed by 64 hex digits" });
  }
  return { algorithm, hex };
}

/** Without the user and password a URL may hold. */
function shown(url: string): string {
  const parsed = new URL(url);
  parsed.username = "";
  parsed.password = "";
  return parsed.href;
}

function innermost(cause: unknown): string | undefined {
  let at = cause;
  while (at instanceof Error && at.cause instanceof Error) at = at.cause;
  return at instanceof Error ? at.message : undefined;
}

async function* emptyBody(): AsyncGenerator<Uint8Array, void, undefined> {
  // a response without a body is an empty file
}
