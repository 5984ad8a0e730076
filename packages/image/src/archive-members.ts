import { createReadStream } from "node:fs";
import path from "node:path";
import { decompress, readTar, sniffCompression } from "@varve/archive";
import { type ByteStream, collectBytes, displayPath } from "@varve/bytes";
import { isVarveError, VarveError } from "@varve/errors";
import { DOCUMENT_LIMIT, type IOOptions } from "@varve/oci";
import { openFileAccess, type RandomAccess } from "./file-access.ts";
import { spoolStream } from "./spool.ts";

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
  const openMember = (name: string): Promise<RandomAccess | undefined> => openFileAccess(path.join(directory, name)).catch(() => undefined);
  return {
    async has(name) {
      await using file = await openMember(name);
      return file !== undefined;
    },
    async open(name, options) {
      const file = await openMember(name);
      if (file === undefined) throw missing(name);
      return disposing(file, file.read(0, file.size, options));
    },
    async [Symbol.asyncDispose]() {},
  };
}

/**
 * Files of a tar: read once to find where they are, then in place. What is compressed or no file (a stream, a pipe) is put aside
 * uncompressed first; `spoolDirectory` gives the folder for that.
 */
export async function tarMembers(input: string | ByteStream, spoolDirectory: () => Promise<string>, options: IOOptions = {}): Promise<ArchiveMembers> {
  const tar = await openTar(input, spoolDirectory, options);
  try {
    const places = await findMembers(tar, options);
    return {
      has: async (name) => resolveMember(places, name) !== undefined,
      async open(name, io) {
        const place = resolveMember(places, name);
        if (place === undefined) throw missing(name);
        return tar.read(place.offset, place.size, io);
      },
      [Symbol.asyncDispose]: () => tar[Symbol.asyncDispose](),
    };
  } catch (error) {
    await tar[Symbol.asyncDispose]();
    throw error;
  }
}

/** An archive of 1,000 images of 1,000 layers has not that many. */
const MEMBERS_LIMIT = 1_000_000;

interface Place {
  readonly offset: number;
  readonly size: number;
  /** Of a link: the member it stands for. */
  readonly target?: string;
}

async function openTar(input: string | ByteStream, spoolDirectory: () => Promise<string>, options: IOOptions): Promise<RandomAccess> {
  if (typeof input !== "string") return spoolStream(decompress(input), spoolDirectory, options);
  const file = await openFileAccess(input).catch((cause: unknown) => {
    throw new VarveError("IMAGE_INVALID_ARCHIVE", `cannot read ${input}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  });
  if (file === undefined) return spoolStream(decompress(createReadStream(input)), spoolDirectory, options);
  const head = await collectBytes(file.read(0, Math.min(file.size, 512)), 512, () => new RangeError("read more than asked for"));
  if (sniffCompression(head) === "none") return file;
  return spoolStream(decompress(disposing(file, file.read())), spoolDirectory, options);
}

async function* disposing(owner: AsyncDisposable, stream: ByteStream): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* stream;
  } finally {
    await owner[Symbol.asyncDispose]();
  }
}

async function findMembers(tar: RandomAccess, options: IOOptions): Promise<ReadonlyMap<string, Place>> {
  const places = new Map<string, Place>();
  try {
    // our own codec, since it tells where contents start
    for await (const { header, offset } of readTar(tar.read(0, tar.size, options), options)) {
      const key = normalizeName(displayPath(header.name));
      const link = displayPath(header.linkName);
      if (header.type === "file") places.set(key, { offset, size: header.size });
      else if (header.type === "symlink") places.set(key, { offset: 0, size: 0, target: path.posix.join(path.posix.dirname(key), link) });
      else if (header.type === "hardlink") places.set(key, { offset: 0, size: 0, target: link });
      if (places.size > MEMBERS_LIMIT) throw new VarveError("IMAGE_INVALID_ARCHIVE", `the archive has more than ${MEMBERS_LIMIT} members`);
    }
  } catch (error) {
    options.signal?.throwIfAborted();
    if (!isVarveError(error) || error.code === "IMAGE_INVALID_ARCHIVE") throw error;
    throw new VarveError("IMAGE_INVALID_ARCHIVE", `the archive is no readable tar: ${error.message}`, { cause: error });
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

function missing(name: string): VarveError {
  return new VarveError("IMAGE_INVALID_ARCHIVE", `the archive has no ${name}`);
}
