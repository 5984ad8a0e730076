import { type BytePath, compareBytes, comparePaths, joinPath, parentPath, ROOT } from "@varve/bytes";
import type { Change, ChangeSet } from "./change-set.ts";
import { sameEntry, type SameContent } from "./entry-comparison.ts";
import type { FileTree } from "./file-tree.ts";
import { storedTree } from "./mutable-tree.ts";
import { RowChange } from "./row-change.ts";
import type { RowReference, RowSpace } from "./stored-tree.ts";
import { createTreeBuilder } from "./tree-builder.ts";

/**
 * What turns `base` into `next`, sorted as a walk; parents of changed paths are not added (see {@link withParents}). That files are or
 * are not hardlinks of one another is no change in itself, as no layer can say it of files it does not hold. What trees share is not looked at.
 */
export function diffTrees(base: FileTree, next: FileTree, sameContent?: SameContent): ChangeSet {
  const before = storedTree(base);
  const after = storedTree(next);
  const diff: Diff = { before: before.rows, after: after.rows, sameContent, changes: [] };
  // an explicit stack, deepest last: trees may be 1,024 directories deep
  const stack: Pair[] = [];
  const descend = (path: BytePath, old: RowReference | undefined, now: RowReference): void => {
    if (compareRows(diff, path, { old, now }) && diff.after.isDirectory(now)) stack.push({ path, old, now, oldChild: 0, nowChild: 0 });
  };
  descend(ROOT, before.root, after.root);
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const child = nextChild(diff, top);
    if (child === undefined) stack.pop();
    else if (child.now === undefined) diff.changes.push({ kind: "deleted", path: joinPath(top.path, child.name) });
    else descend(joinPath(top.path, child.name), child.old, child.now);
  }
  return { changes: diff.changes };
}

interface Diff {
  readonly before: RowSpace;
  readonly after: RowSpace;
  readonly sameContent: SameContent | undefined;
  readonly changes: Change[];
}

/** A directory on both sides, or (without `old`) a new one, and how far its children have been compared. */
interface Pair {
  readonly path: BytePath;
  readonly old: RowReference | undefined;
  readonly now: RowReference;
  oldChild: number;
  nowChild: number;
}

/** Notes what changed of one path; whether anything below it can have changed. */
function compareRows({ before, after, sameContent, changes }: Diff, path: BytePath, { old, now }: Pick<Pair, "old" | "now">): boolean {
  if (old === undefined) {
    changes.push(new RowChange("added", path, { rows: after, row: now }));
    return true;
  }
  const oldTable = before.table(old);
  const nowTable = after.table(now);
  if (old === now && oldTable === nowTable) return false;
  const oldRow = before.row(old);
  const nowRow = after.row(now);
  const same =
    !nowTable.differs(nowRow, oldTable, oldRow) &&
    ((nowTable.isPlainDirectory(nowRow) && oldTable.isPlainDirectory(oldRow)) || sameEntry(before.read(old, path), after.read(now, path), sameContent));
  if (!same) changes.push(new RowChange("modified", path, { rows: after, row: now }));
  return true;
}

/** The next name of either directory, by bytes, and the row it has in each. */
function nextChild(
  { before, after }: Diff,
  pair: Pair,
): { readonly name: BytePath; readonly old: RowReference | undefined; readonly now: RowReference | undefined } | undefined {
  const old = pair.old === undefined || pair.oldChild >= before.childCount(pair.old) ? undefined : before.child(pair.old, pair.oldChild);
  const now = pair.nowChild >= after.childCount(pair.now) ? undefined : after.child(pair.now, pair.nowChild);
  if (old === undefined && now === undefined) return undefined;
  const oldName = old === undefined ? undefined : before.name(old);
  const nowName = now === undefined ? undefined : after.name(now);
  const order = oldName === undefined ? 1 : nowName === undefined ? -1 : compareBytes(oldName, nowName);
  if (order <= 0) pair.oldChild++;
  if (order >= 0) pair.nowChild++;
  return { name: (order <= 0 ? oldName : nowName) ?? ROOT, old: order <= 0 ? old : undefined, now: order >= 0 ? now : undefined };
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
