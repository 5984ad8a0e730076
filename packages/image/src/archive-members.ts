import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, open, rm } from "node:fs/promises";
import path from "node:path";
import { Readable } from "node:stream";
import { decompress, sniffCompression } from "@varve/archive";
import { type ByteStream, collectBytes } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import { DOCUMENT_LIMIT, type IOOptions } from "@varve/oci";
import { extract } from "tar-stream";

/** The files of an image archive (or layout directory) by name, in any order. */
export interface ArchiveMembers extends AsyncDisposable {
  has(name: string): Promise<boolean>;
  /** The file's bytes; the caller owns the stream. Throws IMAGE_INVALID_ARCHIVE when there is no such file. */
  open(name: string, options?: IOOptions): Promise<ByteStream>;
}

/** A small member whole, at most 4 MiB; `undefined` when there is none. */
export async function readMember(members: ArchiveMembers, name: string, options: IOOptions = {}): Promise<Uint8Array | undefined> {
  if (!(await members.has(name))) return undefined;
  const tooLarge = (): VarveError => new VarveError("OCI_TOO_LARGE", `${name} in the archive is larger than ${DOCUMENT_LIMIT} bytes`);
  return collectBytes(await members.open(name, options), DOCUMENT_LIMIT, tooLarge);
}

/** Files of a layout directory. */
export function directoryMembers(directory: string): ArchiveMembers {
  const openFile = (name: string): Promise<FileHandle> => open(path.join(directory, name), constants.O_RDONLY | constants.O_NOFOLLOW);
  return {
    async has(name) {
      const handle = await openFile(name).catch(() => undefined);
      await handle?.close();
      return handle !== undefined;
    },
    async open(name, options) {
      const handle = await openFile(name).catch((cause: unknown) => {
        throw missing(name, cause);
      });
      return readHandle(handle, 0, (await handle.stat()).size, { ...options, close: true });
    },
    async [Symbol.asyncDispose]() {},
  };
}

/**
 * Files of a tar: read once to find where they are, then in place. What is compressed or no file (a stream, a pipe) is first written,
 * uncompressed, to a file in `spoolDirectory` that has no name any more, so that nothing is left behind even when the process is killed.
 */
export async function tarMembers(input: string | ByteStream, spoolDirectory: string, options: IOOptions = {}): Promise<ArchiveMembers> {
  const handle = typeof input === "string" ? await openTar(input, spoolDirectory, options) : await spool(input, spoolDirectory, options);
  try {
    const places = await findMembers(handle, options);
    return {
      has: async (name) => resolveMember(places, name) !== undefined,
      async open(name, io) {
        const place = resolveMember(places, name);
        if (place === undefined) throw missing(name);
        return readHandle(handle, place.offset, place.size, { ...io, close: false });
      },
      [Symbol.asyncDispose]: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Pieces of a file's range; with `close`, the handle ends with the stream. */
export async function* readHandle(
  handle: FileHandle,
  offset: number,
  size: number,
  options: IOOptions & { readonly close: boolean },
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    for (let at = offset; at < offset + size; ) {
      options.signal?.throwIfAborted();
      const buffer = new Uint8Array(Math.min(PIECE, offset + size - at));
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, at);
      if (bytesRead === 0) throw new VarveError("IMAGE_INVALID_ARCHIVE", "the archive became shorter while it was read");
      yield buffer.subarray(0, bytesRead);
      at += bytesRead;
    }
  } finally {
    if (options.close) await handle.close();
  }
}

/** Writes a stream to a file without a name in `directory`; the handle is all there is of it. */
export async function spoolFile(stream: ByteStream, directory: string, options: IOOptions = {}): Promise<{ handle: FileHandle; size: number }> {
  const file = path.join(directory, randomUUID());
  const handle = await open(file, "wx+", 0o600);
  try {
    await rm(file);
    let size = 0;
    for await (const piece of stream) {
      options.signal?.throwIfAborted();
      await handle.writeFile(piece);
      size += piece.length;
    }
    return { handle, size };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

const PIECE = 256 * 1024;
/** An archive of 1,000 images of 1,000 layers stays below. */
const MEMBERS_LIMIT = 1_000_000;

interface Place {
  readonly offset: number;
  readonly size: number;
  /** Of a link: the member it stands for. */
  readonly target?: string;
}

async function openTar(file: string, spoolDirectory: string, options: IOOptions): Promise<FileHandle> {
  const handle = await open(file, "r").catch((cause: unknown) => {
    throw new VarveError("IMAGE_INVALID_ARCHIVE", `cannot read ${file}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  });
  try {
    const stats = await handle.stat();
    if (!stats.isFile()) return await spool(handle.createReadStream({ autoClose: false, signal: options.signal }), spoolDirectory, options).finally(() => handle.close());
    const head = new Uint8Array(512);
    const { bytesRead } = await handle.read(head, 0, head.length, 0);
    if (sniffCompression(head.subarray(0, bytesRead)) === "none") return handle;
    const packed = readHandle(handle, 0, stats.size, { ...options, close: true });
    return await spool(packed, spoolDirectory, options);
  } catch (error) {
    await handle.close().catch(() => {});
    throw error;
  }
}

async function spool(stream: ByteStream, directory: string, options: IOOptions): Promise<FileHandle> {
  const { handle } = await spoolFile(decompress(stream), directory, options);
  return handle;
}

async function findMembers(handle: FileHandle, options: IOOptions): Promise<ReadonlyMap<string, Place>> {
  const places = new Map<string, Place>();
  const { size } = await handle.stat();
  const reader = Readable.from(readHandle(handle, 0, size, { ...options, close: false }));
  const parser = extract();
  reader.on("error", (error) => parser.destroy(error));
  reader.pipe(parser as unknown as NodeJS.WritableStream);
  try {
    for await (const entry of parser) {
      const { name, type, linkname, size: length } = entry.header;
      const key = normalizeName(name);
      if (type === "file" || type === "contiguous-file") places.set(key, { offset: entry.offset, size: length });
      else if (type === "symlink") places.set(key, { offset: 0, size: 0, target: path.posix.join(path.posix.dirname(key), linkname) });
      else if (type === "link") places.set(key, { offset: 0, size: 0, target: normalizeName(linkname) });
      if (places.size > MEMBERS_LIMIT) throw new VarveError("IMAGE_INVALID_ARCHIVE", `the archive has more than ${MEMBERS_LIMIT} members`);
      entry.resume();
    }
  } catch (error) {
    options.signal?.throwIfAborted();
    if (error instanceof VarveError) throw error;
    throw new VarveError("IMAGE_INVALID_ARCHIVE", `the archive is no readable tar: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  } finally {
    reader.destroy();
  }
  return places;
}

function normalizeName(name: string): string {
  return path.posix.normalize(name).replace(/^\/+/, "");
}

/** Old `docker save` wrote a layer that two images share once, and a symlink for the other. */
function resolveMember(places: ReadonlyMap<string, Place>, name: string): Place | undefined {
  let place = places.get(normalizeName(name));
  for (let hops = 0; place?.target !== undefined; hops++) {
    if (hops === 40) return undefined;
    place = places.get(normalizeName(place.target));
  }
  return place;
}

function missing(name: string, cause?: unknown): VarveError {
  return new VarveError("IMAGE_INVALID_ARCHIVE", `the archive has no ${name}`, { cause });
}
