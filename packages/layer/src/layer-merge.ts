import { baseName, type BytePath, joinPath, parentPath } from "@varve/bytes";
import type { ContentRef } from "./content-ref.ts";
import type { FileTree } from "./file-tree.ts";
import type { LayerEntry } from "./layer-entry.ts";
import type { LayerIndex } from "./layer-index.ts";
import { MutableTree } from "./mutable-tree.ts";
import { invalidEntry } from "./path-check.ts";
import { resolvePath } from "./path-resolution.ts";
import type { NewEntry } from "./tree-builder.ts";

/**
 * `base` with a layer laid over it (image-spec layer.md, "Applying Changesets"). Parents that are symlinks are resolved inside the root, those that
 * are no directories replaced by one (0755, 0:0, mtime 0), as are missing ones. Whiteouts hide what `base` has, never what the layer
 * itself brings, in whatever order they stand. Throws LAYER_INVALID_ENTRY and LAYER_TOO_MANY_LINKS.
 */
export function mergeLayer(base: FileTree, index: LayerIndex): FileTree {
  const tree = new MutableTree(base);
  for (const entry of index.entries()) mergeEntry(tree, entry, index);
  return tree.finish();
}

function mergeEntry(tree: MutableTree, entry: LayerEntry, index: LayerIndex): void {
  switch (entry.kind) {
    case "whiteout": {
      const parent = existingDirectory(tree, parentPath(entry.path));
      if (parent !== undefined) tree.removeInherited(joinPath(parent, baseName(entry.path)));
      return;
    }
    case "opaque": {
      const directory = existingDirectory(tree, entry.path);
      if (directory !== undefined) tree.clearInherited(directory);
      return;
    }
    case "hardlink": {
      const target = linkTarget(tree, entry);
      tree.link(placeOf(tree, entry.path), target);
      return;
    }
    default:
      tree.set(treeEntry(entry, placeOf(tree, entry.path), index));
  }
}

function treeEntry(entry: LayerEntry, path: BytePath, { diffID }: LayerIndex): NewEntry {
  const { mode, uid, gid, mtime, size, offset, digest } = entry;
  // a million of them: literals for what is common, spreads for what is rare
  if (entry.kind === "file") {
    const content: ContentRef = digest === undefined ? { kind: "layer", diffID, offset, size } : { kind: "layer", diffID, offset, size, digest };
    const file: NewEntry = { path, type: "file", mode, uid, gid, mtime, size, content };
    return entry.xattrs === undefined ? file : { ...file, xattrs: entry.xattrs };
  }
  const plain: NewEntry = { path, type: entry.kind as NewEntry["type"], mode, uid, gid, mtime, size };
  if (entry.linkTarget === undefined && entry.device === undefined && entry.xattrs === undefined) return plain;
  return {
    ...plain,
    ...(entry.linkTarget === undefined ? {} : { linkTarget: entry.linkTarget }),
    ...(entry.device === undefined ? {} : { device: entry.device }),
    ...(entry.xattrs === undefined ? {} : { xattrs: entry.xattrs }),
  };
}

/** Where an entry goes, once its parent is a directory. */
function placeOf(tree: MutableTree, path: BytePath): BytePath {
  if (path === "") return path;
  const parent = parentPath(path);
  // no link on the way: what nearly every entry has
  if (tree.hasDirectory(parent)) return path;
  const resolved = resolvePath(tree, parent, { followLast: true });
  const blocking = tree.lookup(resolved.existing);
  if (blocking?.type !== "directory") tree.remove(resolved.existing);
  return joinPath(resolved.path, baseName(path));
}

/** The directory a path leads to; `undefined` when there is none, and so nothing to hide. */
function existingDirectory(tree: MutableTree, path: BytePath): BytePath | undefined {
  const resolved = resolvePath(tree, path, { followLast: true });
  return resolved.entry?.type === "directory" ? resolved.path : undefined;
}

/** A hardlink's target: its parents may be symlinks, itself is taken as it is. */
function linkTarget(tree: MutableTree, entry: LayerEntry): BytePath {
  const target = entry.linkTarget ?? ("" as BytePath);
  const parent = existingDirectory(tree, parentPath(target));
  if (parent === undefined) throw invalidEntry(entry.path, `is a hardlink to ${JSON.stringify(target)}, which is not there`);
  return joinPath(parent, baseName(target));
}
