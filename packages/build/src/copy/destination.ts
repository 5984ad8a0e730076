import { type BytePath, displayPath, joinPath, pathComponents, ROOT } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import { type ChangeSet, createTreeBuilder, diffTrees, type Entry, type FileTree, type NewEntry, resolvePath } from "@varve/layer";

/** Owner, mode and mtime of directories that are made on the way. */
export interface DirectoryMetadata {
  /** Without one: root, and the group of a set-group-id directory they are made in. */
  readonly owner: { readonly uid: number; readonly gid: number } | undefined;
  readonly mode: number;
  readonly mtime: number;
}

/** A directory made in one with this bit has it too, as in the kernel. */
const SET_GROUP_ID = 0o2000;

/** A tree being written to: a base that is never touched, and what has been put over it. */
export interface Destination {
  /** The entry at exactly this path, as it now is. */
  lookup(path: BytePath): Entry | undefined;
  /**
   * Where a path leads: symlinks (the last one too) followed within the root, `..` clamped there; what does not exist is kept
   * as written. Throws LAYER_TOO_MANY_LINKS.
   */
  resolve(path: BytePath): BytePath;
  /** Puts an entry, in place of what is there; entries with the same `node` become hardlinks. */
  put(entry: NewEntry): void;
  /** Makes `path` a hardlink of `target`, in place of what is there. */
  link(path: BytePath, target: BytePath): void;
  /** Makes a directory and those above it that are missing. Throws BUILD_COPY_CONFLICT when something else is in the way. */
  makeDirectories(path: BytePath, metadata: DirectoryMetadata): void;
  /** Removes a path and all below it. */
  remove(path: BytePath): void;
  /** What differs from the base, in order; parents that did not change are not in it. Ends the writing. */
  finish(): ChangeSet;
}

/** Starts writing over `base`. */
export function createDestination(base: FileTree): Destination {
  const builder = createTreeBuilder(base);
  return {
    lookup: (path) => builder.lookup(path),
    resolve: (path) => resolvePath(builder, path, { followLast: true }).path,
    put: (entry) => builder.set(entry),
    link: (path, target) => builder.link(path, target),
    makeDirectories(path, metadata) {
      let at: BytePath = ROOT;
      let parent = builder.lookup(ROOT);
      for (const name of pathComponents(path)) {
        at = joinPath(at, name);
        const there = builder.lookup(at);
        if (there === undefined) builder.set(madeDirectory(at, metadata, parent));
        else if (there.type !== "directory") {
          throw new VarveError("BUILD_COPY_CONFLICT", `cannot make directory /${displayPath(path)}: /${displayPath(at)} is a ${there.type}`);
        }
        parent = builder.lookup(at);
      }
    },
    remove: (path) => builder.remove(path),
    finish: () => diffTrees(base, builder.finish()),
  };
}

function madeDirectory(path: BytePath, { owner, mode, mtime }: DirectoryMetadata, parent: Entry | undefined): NewEntry {
  const inherited = (parent?.mode ?? 0) & SET_GROUP_ID;
  const made = owner ?? { uid: 0, gid: inherited === 0 ? 0 : (parent?.gid ?? 0) };
  return { path, type: "directory", size: 0, ...made, mode: mode | inherited, mtime };
}
