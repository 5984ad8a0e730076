import { realpath, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type BytePath, comparePaths, displayPath } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import { type ContentRef, createTreeBuilder, type Entry, type FileTree } from "@varve/layer";
import type { Digest, IOOptions } from "@varve/oci";
import type { FoundEntry } from "@varve/sandbox";
import type { BuildContext, ContextMemory, OwningReader } from "./context.ts";
import { readListedXattrs } from "./listed-xattrs.ts";
import { rootBytes } from "./directory-walk.ts";
import { createDiskReader } from "./disk-reader.ts";
import { leftOut } from "./found-listing.ts";
import { readIgnoreFile, readLimitedFile } from "./ignore-file.ts";
import { createListedDirectory, type Listed, type ListedDirectory } from "./listed-directory.ts";
import { createListing } from "./listing.ts";
import { createListingMemory } from "./listing-memory.ts";
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
  let newest: number | undefined;
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
    ...(memory === undefined ? {} : { memory: createMemory(memory, listed, { isCurrent: () => !settled.some, newest: () => newest }) }),
    ...(options.cache === undefined
      ? {}
      : {
          listings: createListingMemory({
            prefix: options.cache,
            root: rootBytes(root) as BytePath,
            terms: JSON.stringify([root, leftOut({ ignore: ignore?.matcher, hidden })]),
            printed: () => listed.printed(),
            entriesOf: (changed, io) => entriesOf(root, changed, { cache, since: Date.now() }, { ...options, ...io }),
            isCurrent: () => !settled.some,
            settledAfter: SETTLED,
            onNewest: (found) => (newest = found),
          }),
        }),
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

/** Some files as entries of the tree, each by itself. */
async function entriesOf(
  path: string,
  changed: readonly FoundEntry[],
  { cache, since }: { readonly cache: StatCache; readonly since: number },
  options: DirectoryContextOptions,
): Promise<readonly (Entry | undefined)[]> {
  const listing = createListing();
  for (const entry of changed.toSorted((a, b) => comparePaths(a.path, b.path))) listing.add(entry);
  const tree = await makeTree(path, { listing, since }, cache, options);
  return changed.map((entry) => tree.lookup(entry.path));
}

async function makeTree(
  path: string,
  { listing, since }: Pick<Listed, "listing" | "since">,
  cache: StatCache,
  options: DirectoryContextOptions,
): Promise<FileTree> {
  const root = rootBytes(path);
  const directory = options.cache === undefined ? undefined : dirname(options.cache);
  await readListedXattrs(listing, { root, since, cache, directory, onLoss: (message) => options.onWarning?.(message), signal: options.signal });
  return listing.tree(root);
}

/** `isCurrent`: whether the context is as listed; of what changed since nothing is remembered. `newest`: the latest ctime, where it is known before a listing. */
function createMemory(
  memory: SelectionMemory,
  listed: ListedDirectory,
  { isCurrent, newest }: { readonly isCurrent: () => boolean; readonly newest: () => number | undefined },
): ContextMemory {
  const recallAtOnce = async (selection: string): Promise<Digest | undefined> => {
    const quick = isCurrent() ? await listed.quickFingerprint() : undefined;
    return quick === undefined ? undefined : memory.recall(quick, selection);
  };
  return {
    recallAtOnce,
    async recall(selection, io) {
      if (!isCurrent()) return undefined;
      const quick = await listed.quickFingerprint();
      const known = await recallAtOnce(selection);
      if (known !== undefined) return known;
      // what is ignored may have changed, or the order on the disk
      const { listing, settled } = await listed.list(io);
      const digest = await memory.recall(listing.fingerprint(), selection);
      if (digest !== undefined && quick !== undefined && settled) await memory.remember([quick], selection, digest);
      return digest;
    },
    async remember(selection, digest, io) {
      const latest = listed.isListed ? undefined : newest();
      const printed = latest === undefined ? undefined : await listed.printed();
      const only = printed === undefined ? undefined : await listed.quickFingerprint();
      if (latest !== undefined && printed !== undefined && only !== undefined) {
        if (printed.since - latest >= SETTLED && isCurrent()) await memory.remember([only], selection, digest);
        return;
      }
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
