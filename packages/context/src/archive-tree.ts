import { readTar, type TarHeader, type TarReadEntry } from "@varve/archive";
import { type BytePath, type ByteStream, cleanPath, displayPath, joinPath, parentPath, pathComponents, ROOT } from "@varve/bytes";
import { isVarveError, VarveError } from "@varve/errors";
import { type ContentRef, createTreeBuilder, type FileTree, type NewEntry, type TreeBuilder } from "@varve/layer";
import type { IOOptions } from "@varve/oci";
import type { OwningReader } from "./context.ts";
import { decompressArchive } from "./archive-stream.ts";
import { createSpool, type Spool } from "./spool.ts";

/** One entry of an archive, as it is in the archive. */
export interface ArchiveEntry {
  readonly header: TarHeader;
  /** Of a file. */
  readonly content?: ContentRef;
}

/** An archive whose contents can be read until it is disposed. */
export interface Archive extends AsyncDisposable {
  /** Once, in the archive's order, as it is read: there may be millions. Contents can be opened when all were given. */
  readonly entries: AsyncIterable<ArchiveEntry>;
  readonly reader: OwningReader;
}

/** Where uncompressed contents are kept meanwhile. */
export interface ArchiveOptions extends IOOptions {
  readonly directory: string;
}

/**
 * Reads a tar, uncompressed or compressed with gzip, zstd, bzip2 or xz; told by content alone. `undefined` when the first header can't be
 * read, which makes it an ordinary file (fact 30); for damage after that `entries` throws. What follows the tar's end is never looked at.
 */
export async function openArchive(stream: ByteStream, options: ArchiveOptions): Promise<Archive | undefined> {
  const spool = await createSpool(options.directory);
  const tar = readTar(spool.keep(decompressArchive(stream)), { ...options, stopAtEnd: true })[Symbol.asyncIterator]();
  const dispose = async (): Promise<void> => {
    try {
      await tar.return?.();
    } finally {
      await spool[Symbol.asyncDispose]();
    }
  };
  try {
    const first = await tar.next();
    if (first.done !== true) return { entries: entriesOf(spool, first.value, tar), reader: spool.reader, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    if (!isVarveError(error, "ARCHIVE_MALFORMED_TAR", "ARCHIVE_MALFORMED_COMPRESSION", "ARCHIVE_UNSUPPORTED_COMPRESSION")) throw error;
    return undefined;
  }
  await dispose();
  return undefined;
}

async function* entriesOf(spool: Spool, first: TarReadEntry, tar: AsyncIterator<TarReadEntry>): AsyncGenerator<ArchiveEntry, void, undefined> {
  for (let next: IteratorResult<TarReadEntry> = { done: false, value: first }; next.done !== true; next = await tar.next()) {
    const { header, offset } = next.value;
    yield { header, ...(header.type === "file" ? { content: spool.ref(offset, header.size) } : {}) };
  }
}

/**
 * The tree an archive unpacks to, owners as in the archive, later entries over earlier ones. Throws CONTEXT_INVALID_ARCHIVE for names with `..`,
 * entries below something that is no directory and links to nothing.
 */
export async function archiveTree(archive: Archive): Promise<FileTree> {
  const builder = createTreeBuilder();
  for await (const { header, content } of archive.entries) {
    const path = checkedName(header.name, header.name);
    if (path === ROOT) continue;
    makeParents(builder, path, header);
    const there = builder.lookup(path);
    if (there?.type === "directory" && header.type !== "directory") builder.remove(path);
    if (header.type !== "hardlink") {
      builder.set(toEntry(header, path, content));
      continue;
    }
    const target = checkedName(header.linkName, header.name);
    const linked = builder.lookup(target);
    if (linked === undefined || linked.type === "directory") throw invalid(header.name, `links to ${displayPath(header.linkName)}, which is not there`);
    if (target !== path) builder.link(path, target);
  }
  return builder.finish();
}

function makeParents(builder: TreeBuilder, path: BytePath, { name, mtime }: TarHeader): void {
  if (builder.lookup(parentPath(path))?.type === "directory") return;
  let at: BytePath = ROOT;
  for (const component of pathComponents(parentPath(path))) {
    at = joinPath(at, component);
    const there = builder.lookup(at);
    if (there === undefined) builder.set({ path: at, type: "directory", mode: 0o755, uid: 0, gid: 0, mtime: Math.floor(mtime), size: 0 });
    else if (there.type !== "directory") throw invalid(name, `is below ${displayPath(at)}, which is no directory`);
  }
}

function toEntry(header: TarHeader, path: BytePath, content: ContentRef | undefined): NewEntry {
  const base = {
    path,
    mode: header.mode & 0o7777,
    uid: header.uid,
    gid: header.gid,
    mtime: Math.floor(header.mtime),
    size: 0,
    ...(header.xattrs.size === 0 ? {} : { xattrs: header.xattrs }),
  };
  switch (header.type) {
    case "file":
      return { ...base, type: "file", size: header.size, ...(content === undefined ? {} : { content }) };
    case "hardlink":
      throw new TypeError("a hardlink has no entry of its own");
    case "symlink":
      return { ...base, type: "symlink", mode: 0o777, linkTarget: header.linkName };
    case "char":
    case "block":
      return { ...base, type: header.type, device: { major: header.deviceMajor, minor: header.deviceMinor } };
    default:
      return { ...base, type: header.type };
  }
}

function checkedName(name: BytePath, entry: BytePath): BytePath {
  if (pathComponents(name).includes(".." as BytePath)) throw invalid(entry, "leaves the archive");
  return cleanPath(name);
}

function invalid(name: BytePath, why: string): VarveError {
  return new VarveError("CONTEXT_INVALID_ARCHIVE", `archive entry ${JSON.stringify(displayPath(name))} ${why}`);
}
