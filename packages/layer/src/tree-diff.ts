import { type BytePath, comparePaths, joinPath, parentPath, ROOT } from "@varve/bytes";
import type { Change, ChangeSet } from "./change-set.ts";
import type { Entry } from "./entry.ts";
import { sameEntry, type SameContent } from "./entry-comparison.ts";
import type { FileTree } from "./file-tree.ts";
import { StoredTree } from "./stored-tree.ts";
import { createTreeBuilder } from "./tree-builder.ts";

/**
 * What turns `base` into `next`, sorted as a walk; parents of changed paths are not added (see {@link withParents}). That files are or
 * are not hardlinks of one another is no change in itself, as no layer can say it of files it does not hold.
 */
export function diffTrees(base: FileTree, next: FileTree, sameContent?: SameContent): ChangeSet {
  const changes: Change[] = [];
  const before = base.lookup(ROOT);
  const after = next.lookup(ROOT);
  if (before !== undefined && after !== undefined && !sameEntry(before, after, sameContent)) changes.push({ kind: "modified", path: ROOT, entry: after });
  // an explicit stack, deepest last: trees may be 1,024 directories deep
  const stack: Step[] = [{ directory: ROOT, names: mergedNames(base, next, ROOT), next: 0 }];
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const name = top.names[top.next++];
    if (name === undefined) {
      stack.pop();
      continue;
    }
    const path = joinPath(top.directory, name);
    if (isShared(base, next, path)) continue;
    const descend = compareAt(base.lookup(path), next.lookup(path), { path, changes, sameContent });
    if (descend) stack.push({ directory: path, names: mergedNames(base, next, path), next: 0 });
  }
  return { changes };
}

interface Step {
  readonly directory: BytePath;
  readonly names: readonly BytePath[];
  next: number;
}

interface Found {
  readonly path: BytePath;
  readonly changes: Change[];
  readonly sameContent: SameContent | undefined;
}

/** Notes the change of one path; whether what is below must be compared. */
function compareAt(before: Entry | undefined, after: Entry | undefined, { path, changes, sameContent }: Found): boolean {
  if (after === undefined) {
    changes.push({ kind: "deleted", path });
    return false;
  }
  if (before === undefined) changes.push({ kind: "added", path, entry: after });
  else if (!sameEntry(before, after, sameContent)) changes.push({ kind: "modified", path, entry: after });
  return after.type === "directory";
}

/** Names of either directory. Of something that is none, or becomes none, there is nothing to list. */
function mergedNames(base: FileTree, next: FileTree, directory: BytePath): readonly BytePath[] {
  const after = next.list(directory);
  const before = base.list(directory);
  if (before.length === 0) return after;
  const names = new Set(after);
  for (const name of before) names.add(name);
  return names.size === after.length ? after : [...names].sort(comparePaths);
}

/** Trees that derive from one another have the same rows where nothing changed. */
function isShared(base: FileTree, next: FileTree, path: BytePath): boolean {
  if (!(base instanceof StoredTree) || !(next instanceof StoredTree)) return false;
  const before = base.find(path);
  const after = next.find(path);
  return before !== undefined && before === after && base.rows.table(before) === next.rows.table(after);
}

/** `base` with the changes made. Paths of deletions that aren't there are passed over. */
export function applyChanges(base: FileTree, changeSet: ChangeSet): FileTree {
  const builder = createTreeBuilder(base);
  for (const change of changeSet.changes) {
    if (change.kind === "deleted") builder.remove(change.path);
    else builder.set(change.entry);
  }
  return builder.finish();
}

/**
 * The changes and, as `modified` with the metadata they have in `base`, those parents of changed paths that are not among them, the root
 * excepted: what a layer holds. Sorted.
 */
export function withParents(base: FileTree, changeSet: ChangeSet): ChangeSet {
  const present = new Set<BytePath>(changeSet.changes.map((change) => change.path));
  const parents: Change[] = [];
  for (const { path } of changeSet.changes) {
    for (let parent = parentPath(path); parent !== ROOT && !present.has(parent); parent = parentPath(parent)) {
      present.add(parent);
      const entry = base.lookup(parent);
      if (entry !== undefined) parents.push({ kind: "modified", path: parent, entry });
    }
  }
  return { changes: [...changeSet.changes, ...parents].sort((a, b) => comparePaths(a.path, b.path)) };
}
