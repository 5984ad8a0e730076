import { realpath, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { displayPath } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import { type ContentRef, createTreeBuilder, type FileTree } from "@varve/layer";
import type { IOOptions } from "@varve/oci";
import type { BuildContext, ContextMemory, OwningReader } from "./context.ts";
import { readListedXattrs } from "./listed-xattrs.ts";
import { rootBytes } from "./directory-walk.ts";
import { createDiskReader } from "./disk-reader.ts";
import { readIgnoreFile, readLimitedFile } from "./ignore-file.ts";
import { createListedDirectory, type Listed, type ListedDirectory } from "./listed-directory.ts";
import { createSettledFiles } from "./settled-files.ts";
import { createSelectionMemory, type SelectionMemory } from "./selection-memory.ts";
import { createStatCache, SETTLED, type StatCache } from "./stat-cache.ts";

/** A directory as build context. */
export interface DirectoryContextOptions extends IOOptions {
  /** Host path. */
  readonly path: string;
  /** Host path of the Dockerfile: `<it>.dockerignore` wins over the directory's `.dockerignore`. Without it only the latter is looked for. */
  readonly dockerfile?: string | undefined;
  /** Where digests are remembered between builds: files whose names begin so. */
  readonly cache?: string | undefined;
  /** Host paths of directories that are left out wherever they lie. */
  readonly hidden?: readonly string[] | undefined;
  /** For people; `path` by default. */
  readonly title?: string | undefined;
  /** Where files that change are copied to; the temporary directory by default. */
  readonly spool?: string | undefined;
  /** Called with a clause for people when something of the context can't be had. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/**
 * Opens a directory; nothing is listed until `tree` is called. Throws CONTEXT_NOT_FOUND when there is no such directory. Extended attributes
 * are kept as `isKeptXattr` of `@varve/sandbox` says, on Linux.
 */
export async function openDirectoryContext(options: DirectoryContextOptions): Promise<BuildContext> {
  const root = await resolveRoot(options.path);
  const ignore = await readIgnoreFile(options.path, options.dockerfile);
  const cache = createStatCache(options.cache === undefined ? undefined : `${options.cache}.stat`);
  let made: Promise<FileTree> | undefined;
  const { hidden, signal, spool = options.cache === undefined ? undefined : tmpdir() } = options;
  const listed = createListedDirectory(root, { ignore: ignore?.matcher, hidden, spool, settledAfter: SETTLED, signal });
  const memory = options.cache === undefined ? undefined : createSelectionMemory(`${options.cache}.selections`);
  // what was looked at before will be again: by another process, it costs nothing to begin now
  if (memory?.isThere() === true) listed.begin();
  const makeListed = (io?: IOOptions): Promise<FileTree> => (made ??= listed.list(io).then((found) => makeTree(root, found, cache, { ...options, ...io })));
  const settled = createSettledFiles({ root: rootBytes(root), listed: makeListed, directory: options.spool, onWarning: options.onWarning });
  const disk = createDiskReader(root, { cache, onChanged: (path, error) => settled.note(path, error) });
  const readerOf = (ref: ContentRef): OwningReader => (ref.kind === "layer" ? settled.reader : disk);
  return {
    title: options.title ?? options.path,
    reader: {
      owns: (ref) => readerOf(ref).owns(ref),
      open: (ref, io) => readerOf(ref).open(ref, io),
      digest: (ref, io) => readerOf(ref).digest(ref, io),
      ...(disk.batches === undefined ? {} : { batches: disk.batches }),
      learn: (ref, digest, since) => readerOf(ref).learn?.(ref, digest, since),
    },
    ...(memory === undefined ? {} : { memory: createMemory(memory, listed, () => !settled.some) }),
    tree: async (io) => settled.tree(await makeListed(io)),
    settle: (error, io) => settled.settle(error, io),
    // cleaned: `..` can't be in it
    readFile: (path) => readLimitedFile(join(root, displayPath(path))),
    async [Symbol.asyncDispose]() {
      await listed[Symbol.asyncDispose]();
      await cache.save();
      await settled[Symbol.asyncDispose]();
    },
  };
}

async function makeTree(path: string, { listing, since }: Listed, cache: StatCache, options: DirectoryContextOptions): Promise<FileTree> {
  const root = rootBytes(path);
  const directory = options.cache === undefined ? undefined : dirname(options.cache);
  await readListedXattrs(listing, { root, since, cache, directory, onLoss: (message) => options.onWarning?.(message), signal: options.signal });
  return listing.tree(root);
}

/** `isCurrent`: whether the context is as listed; of what changed since nothing is remembered. */
function createMemory(memory: SelectionMemory, listed: ListedDirectory, isCurrent: () => boolean): ContextMemory {
  return {
    async recall(selection, io) {
      if (!isCurrent()) return undefined;
      const quick = await listed.quickFingerprint();
      const known = quick === undefined ? undefined : await memory.recall(quick, selection);
      if (known !== undefined) return known;
      // what is ignored may have changed, or the order on the disk
      const { listing, settled } = await listed.list(io);
      const digest = await memory.recall(listing.fingerprint(), selection);
      if (digest !== undefined && quick !== undefined && settled) await memory.remember([quick], selection, digest);
      return digest;
    },
    async remember(selection, digest, io) {
      const { listing, settled } = await listed.list(io);
      if (!settled || !isCurrent()) return;
      const quick = await listed.quickFingerprint();
      await memory.remember([listing.fingerprint(), ...(quick === undefined ? [] : [quick])], selection, digest);
    },
  };
}

/** A context without files. */
export function emptyContext(title: string): BuildContext {
  return {
    title,
    reader: {
      owns: () => false,
      open: () => Promise.reject(new TypeError("an empty context has no contents")),
      digest: () => Promise.reject(new TypeError("an empty context has no contents")),
    },
    tree: () => Promise.resolve(createTreeBuilder().finish()),
    readFile: () => Promise.resolve(undefined),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** The real path of a directory. Throws CONTEXT_NOT_FOUND. */
export async function resolveRoot(path: string): Promise<string> {
  try {
    const root = await realpath(path);
    if ((await stat(root)).isDirectory()) return root;
  } catch (cause) {
    throw new VarveError("CONTEXT_NOT_FOUND", `build context ${path} does not exist`, { cause, hint: "varve build DIRECTORY builds from a directory" });
  }
  throw new VarveError("CONTEXT_NOT_FOUND", `build context ${path} is not a directory`, { hint: "use -f to name a Dockerfile" });
}
