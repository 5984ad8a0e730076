import { type BytePath, comparePaths, displayPath, joinPath, parentPath, pathComponents, ROOT } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import type { Change, ChangeSet, Entry, FileTree } from "@varve/layer";

/** An entry before it has a place in a tree; entries with the same `link` number become hardlinks of one file. */
export type NewEntry = Omit<Entry, "node"> & { readonly link?: number };

/** Owner, mode and mtime of directories that are made on the way. */
export interface DirectoryMetadata {
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
  readonly mtime: number;
}

/** A tree being written to: a base that is never touched, and what has been put over it. */
export interface Destination {
  readonly base: FileTree;
  /** The entry at exactly this path, as it now is. */
  lookup(path: BytePath): NewEntry | undefined;
  /**
   * Where a path leads: symlinks (the last one too) followed within the root, `..` clamped there; what does not exist is kept
   * as written. Throws LAYER_TOO_MANY_LINKS after 40 hops.
   */
  resolve(path: BytePath): BytePath;
  /** Puts an entry; its parent must be a directory. */
  put(entry: NewEntry): void;
  /** Makes a directory and those above it that are missing. Throws BUILD_COPY_CONFLICT when something else is in the way. */
  makeDirectories(path: BytePath, metadata: DirectoryMetadata): void;
  /** Removes a path and all below it. */
  remove(path: BytePath): void;
  /** What has been put and removed, in order; parents that did not change are not in it. */
  changes(): ChangeSet;
}

const MAX_HOPS = 40;

/** Starts writing over `base`. */
export function createDestination(base: FileTree): Destination {
  const put = new Map<BytePath, NewEntry>();
  /** Paths whose base entry, and all below it, is hidden. */
  const removed = new Set<BytePath>();
  const hidden = (path: BytePath): boolean => {
    if (removed.size === 0) return false;
    for (let at = path; ; at = parentPath(at)) {
      if (removed.has(at)) return true;
      if (at === ROOT) return false;
    }
  };
  const lookup = (path: BytePath): NewEntry | undefined => put.get(path) ?? (hidden(path) ? undefined : base.lookup(path));
  return {
    base,
    lookup,
    resolve: (path) => resolveIn(lookup, path),
    put(entry) {
      put.set(entry.path, entry);
    },
    makeDirectories(path, metadata) {
      let at: BytePath = ROOT;
      for (const name of pathComponents(path)) {
        at = joinPath(at, name);
        const there = lookup(at);
        if (there === undefined) put.set(at, { path: at, type: "directory", size: 0, ...metadata });
        else if (there.type !== "directory") {
          throw new VarveError("BUILD_COPY_CONFLICT", `cannot make directory /${displayPath(path)}: /${displayPath(at)} is a ${there.type}`);
        }
      }
    },
    remove(path) {
      const below = `${path}/`;
      for (const known of put.keys()) if (known === path || known.startsWith(below)) put.delete(known);
      if (base.lookup(path) !== undefined) removed.add(path);
    },
    changes: () => ({ changes: collectChanges(base, put, removed, hidden) }),
  };
}

function resolveIn(lookup: (path: BytePath) => NewEntry | undefined, path: BytePath): BytePath {
  const pending = pathComponents(path).toReversed();
  let at: BytePath = ROOT;
  let hops = 0;
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (name === "" || name === ".") continue;
    if (name === "..") {
      at = parentPath(at);
      continue;
    }
    const next = joinPath(at, name);
    const entry = lookup(next);
    if (entry?.type !== "symlink") {
      at = next;
      continue;
    }
    if (++hops > MAX_HOPS) throw new VarveError("LAYER_TOO_MANY_LINKS", `/${displayPath(path)} goes through more than ${MAX_HOPS} symlinks`);
    const target = entry.linkTarget ?? ROOT;
    if (target.startsWith("/")) at = ROOT;
    pending.push(...pathComponents(target).toReversed());
  }
  return at;
}

function collectChanges(base: FileTree, put: ReadonlyMap<BytePath, NewEntry>, removed: ReadonlySet<BytePath>, hidden: (path: BytePath) => boolean): Change[] {
  const changes: Change[] = [];
  const nodes = new Map<number, number>();
  // above every number of the base, whose directories join the set as parents
  let next = base.size + 1;
  for (const { link, ...entry } of put.values()) {
    const known = link === undefined ? undefined : nodes.get(link);
    const node = known ?? next++;
    if (link !== undefined) nodes.set(link, node);
    const existed = base.lookup(entry.path) !== undefined && !hidden(parentPath(entry.path));
    changes.push({ kind: existed ? "modified" : "added", path: entry.path, entry: { ...entry, node } });
  }
  for (const path of removed) {
    // a path that was replaced is a modification; one below a removed directory is gone with it
    if (!put.has(path) && !(path !== ROOT && hidden(parentPath(path)))) changes.push({ kind: "deleted", path });
  }
  return changes.toSorted((a, b) => comparePaths(a.path, b.path));
}
