import { createHash } from "node:crypto";
import { toBytePath } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import type { ContentRef, Entry } from "@varve/layer";
import { type DiffID, digestHex, type IOOptions } from "@varve/oci";
import type { OwningReader } from "./context.ts";
import { type Download, download, recallDownload, type RemoteFile, shownURL } from "./http-download.ts";
import type { RemoteMemory } from "./remote-memory.ts";

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
  /** Knows what was fetched by earlier builds. */
  readonly memory?: RemoteMemory | undefined;
}

/**
 * The file of a URL, redirects followed. With a memory, one that is still what it was is not fetched before it is read: the server is asked
 * whether it is, or nobody where a checksum says what it must be. Throws CONTEXT_DOWNLOAD_FAILED and CONTEXT_CHECKSUM_MISMATCH.
 */
export async function httpFile(url: string, options: HttpFileOptions): Promise<HttpFile> {
  const checksum = parseChecksum(options.checksum);
  const known = await recallDownload(url, options.memory);
  if (known !== undefined && checksum?.algorithm === "sha256" && digestHex(known.digest) === checksum.hex) return knownFile(url, known, options);
  const hash = checksum === undefined ? undefined : createHash(checksum.algorithm);
  const { directory, memory, signal } = options;
  const unless = checksum === undefined ? known : undefined;
  const fetched = await download(url, { directory, memory, signal, unless, onBytes: (piece) => hash?.update(piece) });
  if (fetched === undefined) {
    if (known === undefined) throw new TypeError("nothing is known to be unchanged");
    return knownFile(url, known, options);
  }
  const { file, spool } = fetched;
  const found = hash?.digest("hex");
  if (checksum !== undefined && found !== checksum.hex) {
    await fetched[Symbol.asyncDispose]();
    throw new VarveError("CONTEXT_CHECKSUM_MISMATCH", `${shownURL(url)} has the checksum ${checksum.algorithm}:${found ?? ""}`, {
      hint: `expected ${options.checksum ?? ""}`,
    });
  }
  const entry = entryOf(url, file, spool.ref(0, spool.size));
  return { entry, contentType: file.contentType, reader: spool.reader, [Symbol.asyncDispose]: async () => fetched[Symbol.asyncDispose]() };
}

/** A file by what is remembered of it; fetched when it is read. Reading is CONTEXT_CHANGED when it is another one by then. */
function knownFile(url: string, known: RemoteFile, { directory, memory, signal }: HttpFileOptions): HttpFile {
  let fetching: Promise<Download> | undefined;
  const fetchKnown = async (): Promise<Download> => {
    const fetched = await download(url, { directory, memory, signal });
    if (fetched?.file.digest === known.digest) return fetched;
    await fetched?.[Symbol.asyncDispose]();
    throw new VarveError("CONTEXT_CHANGED", `${shownURL(url)} changed while the build was reading it`, { hint: "build again" });
  };
  const fetched = (): Promise<Download> => (fetching ??= fetchKnown());
  // as a spool's: a stretch of a stream known by its digest
  const content: ContentRef = { kind: "layer", diffID: known.digest as string as DiffID, offset: 0, size: known.size };
  const reader: OwningReader = {
    owns: (ref) => ref.kind === "layer" && (ref.diffID as string) === known.digest,
    open: async (ref, io) => (await fetched()).spool.reader.open(ref, io),
    digest: () => Promise.resolve(known.digest),
  };
  const dispose = async (): Promise<void> => {
    const done = await fetching?.catch(() => undefined);
    await done?.[Symbol.asyncDispose]();
  };
  return { entry: entryOf(url, known, content), contentType: known.contentType, reader, [Symbol.asyncDispose]: dispose };
}

function entryOf(url: string, file: RemoteFile, content: ContentRef): Omit<Entry, "node"> {
  return { path: toBytePath(fileName(url)), type: "file", mode: 0o600, uid: 0, gid: 0, mtime: file.mtime, size: file.size, content };
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
