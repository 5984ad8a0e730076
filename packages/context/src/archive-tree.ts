import { readTar, type TarHeader, type TarReadEntry } from "@varve/archive";
import { type BytePath, type ByteStream, cleanPath, displayPath, joinPath, pathComponents, ROOT } from "@varve/bytes";
import { isVarveError, VarveError } from "@varve/errors";
import { type ContentRef, createTreeBuilder, type Entry, type FileTree } from "@varve/layer";
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
  readonly entries: readonly ArchiveEntry[];
  readonly reader: OwningReader;
}

/** Where uncompressed contents are kept meanwhile. */
export interface ArchiveOptions extends IOOptions {
  readonly directory: string;
}

/**
 * Reads a tar, uncompressed or compressed with gzip, zstd, bzip2 or xz; told by content alone. `undefined` when the first header can't be
 * read, which makes it an ordinary file (fact 30); damage after that throws.
 */
export async function openArchive(stream: ByteStream, options: ArchiveOptions): Promise<Archive | undefined> {
  const spool = await createSpool(options.directory);
  try {
    const found = await readEntries(spool, stream, options.signal);
    if (found === undefined) {
      await spool[Symbol.asyncDispose]();
      return undefined;
    }
    const entries = found.map(({ header, offset }) => ({ header, ...(header.type === "file" ? { content: spool.ref(offset, header.size) } : {}) }));
    return { entries, reader: spool.reader, [Symbol.asyncDispose]: () => spool[Symbol.asyncDispose]() };
  } catch (error) {
    await spool[Symbol.asyncDispose]();
    throw error;
  }
}

async function readEntries(spool: Spool, stream: ByteStream, signal: AbortSignal | undefined): Promise<{ header: TarHeader; offset: number }[] | undefined> {
  const found: { header: TarHeader; offset: number }[] = [];
  const iterator: AsyncIterator<TarReadEntry> = readTar(spool.keep(decompressArchive(stream)))[Symbol.asyncIterator]();
  try {
    for (;;) {
      signal?.throwIfAborted();
      const next = await iterator.next();
      if (next.done === true) return found.length === 0 ? undefined : found;
      found.push({ header: next.value.header, offset: next.value.offset });
    }
  } catch (error) {
    if (found.length === 0 && isVarveError(error, "ARCHIVE_MALFORMED_TAR", "ARCHIVE_MALFORMED_COMPRESSION", "ARCHIVE_UNSUPPORTED_COMPRESSION"))
      return undefined;
    throw error;
  } finally {
    await iterator.return?.();
  }
}

/**
 * The tree an archive unpacks to, owners as in the archive, later entries over earlier ones. Throws CONTEXT_INVALID_ARCHIVE for names with `..`,
 * entries below something that is no directory and links to nothing.
 */
export function archiveTree(archive: Archive): FileTree {
  const entries = new Map<BytePath, { entry: Omit<Entry, "node">; linkTo?: BytePath }>();
  const isDirectory = (path: BytePath): boolean => path === ROOT || entries.get(path)?.entry.type === "directory";
  for (const { header, content } of archive.entries) {
    const path = checkedName(header.name, header.name);
    if (path === ROOT) continue;
    let at: BytePath = ROOT;
    for (const name of pathComponents(path).slice(0, -1)) {
      at = joinPath(at, name);
      if (!entries.has(at)) entries.set(at, { entry: { path: at, type: "directory", mode: 0o755, uid: 0, gid: 0, mtime: Math.floor(header.mtime), size: 0 } });
      else if (!isDirectory(at)) throw invalid(header.name, `is below ${displayPath(at)}, which is no directory`);
    }
    if (isDirectory(path) && header.type !== "directory") for (const known of entries.keys()) if (known.startsWith(`${path}/`)) entries.delete(known);
    const linkTo = header.type === "hardlink" ? checkedName(header.linkName, header.name) : undefined;
    if (linkTo !== undefined && (!entries.has(linkTo) || isDirectory(linkTo)))
      throw invalid(header.name, `links to ${displayPath(header.linkName)}, which is not there`);
    // set again, so that a link always comes after its target
    entries.delete(path);
    entries.set(path, { entry: toEntry(header, path, content), ...(linkTo === undefined ? {} : { linkTo }) });
  }
  return buildTree(entries);
}

function buildTree(entries: ReadonlyMap<BytePath, { entry: Omit<Entry, "node">; linkTo?: BytePath }>): FileTree {
  const builder = createTreeBuilder();
  for (const { entry } of [...entries.values()].filter((item) => item.linkTo === undefined).toSorted((a, b) => depth(a.entry) - depth(b.entry)))
    builder.set(entry);
  for (const [path, { linkTo }] of entries) if (linkTo !== undefined) builder.link(path, linkTo);
  return builder.finish();
}

function depth(entry: Omit<Entry, "node">): number {
  return pathComponents(entry.path).length;
}

function toEntry(header: TarHeader, path: BytePath, content: ContentRef | undefined): Omit<Entry, "node"> {
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
      return { ...base, type: "file" };
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
