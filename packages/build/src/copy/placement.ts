import { type BytePath, cleanPath, displayPath, joinPath, parentPath, ROOT } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import type { Entry, NewEntry } from "@varve/layer";
import type { Destination, DirectoryMetadata } from "./destination.ts";
import type { ModeChange } from "./mode-change.ts";
import type { Selected, SelectedEntry } from "./selection.ts";

/** Owner and mode a COPY or ADD gives to what it places. */
export interface PlacementOptions {
  /** Absolute, as bytes; a trailing `/` means a directory. */
  readonly destination: BytePath;
  /** `--chown`; without it the source's owner is kept. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
  readonly mode?: ModeChange | undefined;
}

/** Numbers hardlink groups across the sources of one instruction. */
export interface LinkNumbers {
  next: number;
}

/**
 * Places one selection (facts 20, 23-25, 29): a file becomes the destination, or goes into it when it is a directory; a directory's contents
 * are merged into the destination. The destination's own top directory keeps its metadata; directories below it that exist take
 * the source's. A directory in a file's place, or the reverse, throws BUILD_COPY_CONFLICT as in BuildKit. Gives where it went.
 */
export function placeSelected(destination: Destination, selected: Selected, options: PlacementOptions, links: LinkNumbers): BytePath {
  const isDirectory = selected.root.type === "directory";
  const made = madeDirectory(options, selected.root.mtime);
  const wanted = options.destination;
  const ensured = wanted.endsWith("/") ? cleanPath(wanted) : parentPath(cleanPath(wanted));
  destination.makeDirectories(destination.resolve(ensured), made);
  let top = destination.resolve(cleanPath(wanted));
  const there = destination.lookup(top);
  if (!isDirectory && there?.type === "directory") top = joinPath(top, selected.name);
  destination.makeDirectories(isDirectory && there === undefined ? top : parentPath(top), made);
  /** Of hardlinks: node numbers of different sources mean different files. */
  const numbers = new Map<number, number>();
  for (const item of selected.entries()) {
    const path = joinPath(top, item.relative);
    if (item.entry.type === "directory") placeDirectory(destination, path, item, options);
    else {
      const entry = { ...withOptions(item, options), path };
      placeFile(destination, path, selected.isLinked(item.entry.node) ? { ...entry, node: linkNumber(numbers, item.entry.node, links) } : entry);
    }
  }
  return top;
}

function linkNumber(numbers: Map<number, number>, node: number, links: LinkNumbers): number {
  const known = numbers.get(node) ?? links.next++;
  numbers.set(node, known);
  return known;
}

/**
 * What directories that are missing on the way are made with: no set-id or sticky bits, as Go's Mkdir takes none from a number; their mtime is the source's,
 * so that equal sources give equal layers.
 */
export function madeDirectory(options: PlacementOptions, mtime: number): DirectoryMetadata {
  return { owner: options.owner, mode: (options.mode?.octal ?? 0o755) & 0o777, mtime };
}

function placeDirectory(destination: Destination, path: BytePath, item: SelectedEntry, options: PlacementOptions): void {
  const there = destination.lookup(path);
  if (there !== undefined && there.type !== "directory") {
    throw new VarveError("BUILD_COPY_CONFLICT", `cannot copy a directory to /${displayPath(path)}, which is a ${there.type}`);
  }
  if (item.relative === ROOT && there !== undefined) return;
  const entry = withOptions(item, options);
  if (there === undefined) destination.put({ ...entry, path });
  else if (item.partial) destination.put({ ...withoutNode(there), mode: item.entry.mode });
  else {
    const xattrs = new Map([...(there.xattrs ?? []), ...(entry.xattrs ?? [])]);
    destination.put({ ...entry, path, ...(xattrs.size === 0 ? {} : { xattrs }) });
  }
}

function placeFile(destination: Destination, path: BytePath, entry: NewEntry): void {
  const there = destination.lookup(path);
  if (there?.type === "directory") {
    throw new VarveError("BUILD_COPY_CONFLICT", `cannot replace the directory /${displayPath(path)} with a ${entry.type}`);
  }
  destination.put(entry);
}

function withOptions(item: SelectedEntry, options: PlacementOptions): NewEntry {
  const entry = withoutNode(item.entry);
  const mode = options.mode === undefined || entry.type === "symlink" ? entry.mode : options.mode.apply(entry.mode, entry.type === "directory");
  return { ...entry, ...options.owner, mode };
}

function withoutNode(entry: Entry): NewEntry {
  const { node: _node, ...rest } = entry;
  return rest;
}
