import { type BytePath, compareBytes, joinPath, parentPath, ROOT } from "@varve/bytes";
import type { Change, ChangeSet } from "./change-set.ts";
import { sameEntry, type SameContent } from "./entry-comparison.ts";
import type { FileTree } from "./file-tree.ts";
import { storedTree } from "./mutable-tree.ts";
import type { RowReference, RowSpace, StoredTree } from "./stored-tree.ts";
import { createTreeBuilder } from "./tree-builder.ts";

/**
 * What turns `base` into `next`, sorted as a walk; parents of changed paths are not added (see {@link withParents}). Found anew whenever it is gone
 * through. That files are or are not hardlinks of one another is no change in itself, as no layer can say it of files it does not hold. What trees
 * share is not looked at.
 */
export function diffTrees(base: FileTree, next: FileTree, sameContent?: SameContent): ChangeSet {
  const before = storedTree(base);
  const after = storedTree(next);
  return {
    changes: { [Symbol.iterator]: () => findChanges(before, after, sameContent) },
    isLinked: (node) => after.isLinked(node),
  };
}

function* findChanges(before: StoredTree, after: StoredTree, sameContent: SameContent | undefined): Generator<Change, void, undefined> {
  const diff: Diff = { before: before.rows, after: after.rows, sameContent };
  // an explicit stack, deepest last: trees may be 1,024 directories deep
  const stack: Pair[] = [];
  for (let path = ROOT, old: RowReference | undefined = before.root, now: RowReference | undefined = after.root; ;) {
    if (now === undefined) yield { kind: "deleted", path };
    else {
      const difference = compareRows(diff, path, { old, now });
      if (difference === "added" || difference === "modified") yield { kind: difference, path, entry: diff.after.read(now, path) };
      if (difference !== "shared" && diff.after.isDirectory(now)) stack.push({ path, old, now, oldChild: 0, nowChild: 0 });
    }
    const next = nextPair(diff, stack);
    if (next === undefined) return;
    ({ path, old, now } = next);
  }
}

interface Diff {
  readonly before: RowSpace;
  readonly after: RowSpace;
  readonly sameContent: SameContent | undefined;
}

/** A directory on both sides, or (without `old`) a new one, and how far its children have been compared. */
interface Pair {
  readonly path: BytePath;
  readonly old: RowReference | undefined;
  readonly now: RowReference;
  oldChild: number;
  nowChild: number;
}

/** How a row differs; `shared` when nothing below it can either. */
function compareRows(
  { before, after, sameContent }: Diff,
  path: BytePath,
  { old, now }: { readonly old: RowReference | undefined; readonly now: RowReference },
): "added" | "modified" | "same" | "shared" {
  if (old === undefined) return "added";
  const oldTable = before.table(old);
  const nowTable = after.table(now);
  if (old === now && oldTable === nowTable) return "shared";
  const oldRow = before.row(old);
  const nowRow = after.row(now);
  const same =
    !nowTable.differs(nowRow, oldTable, oldRow) &&
    ((nowTable.isPlainDirectory(nowRow) && oldTable.isPlainDirectory(oldRow)) || sameEntry(before.read(old, path), after.read(now, path), sameContent));
  return same ? "same" : "modified";
}

/** What is to be compared next; directories that are done leave the stack. */
function nextPair(
  diff: Diff,
  stack: Pair[],
): { readonly path: BytePath; readonly old: RowReference | undefined; readonly now: RowReference | undefined } | undefined {
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const child = nextChild(diff, top);
    if (child !== undefined) return { path: joinPath(top.path, child.name), old: child.old, now: child.now };
    stack.pop();
  }
  return undefined;
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
 * excepted: what a layer holds. `changeSet` is sorted, and so is the result.
 */
export function withParents(base: FileTree, changeSet: ChangeSet): ChangeSet {
  return {
    changes: { [Symbol.iterator]: () => addParents(base, changeSet) },
    ...(changeSet.isLinked === undefined ? {} : { isLinked: (node) => changeSet.isLinked?.(node) ?? true }),
  };
}

function* addParents(base: FileTree, { changes }: ChangeSet): Generator<Change, void, undefined> {
  /** The directory that was given last: those above it were given too. */
  let given: BytePath = ROOT;
  for (const change of changes) {
    const parent = parentPath(change.path);
    yield* missingParents(base, given, parent);
    given = change.kind !== "deleted" && change.entry.type === "directory" ? change.path : parent;
    yield change;
  }
}

/** Directories down to `directory` that are neither `given` nor above it, as they are in `base`. */
function missingParents(base: FileTree, given: BytePath, directory: BytePath): Change[] {
  const missing: Change[] = [];
  for (let parent = directory; parent !== ROOT && !isWithin(given, parent); parent = parentPath(parent)) {
    const entry = base.lookup(parent);
    if (entry !== undefined) missing.unshift({ kind: "modified", path: parent, entry });
  }
  return missing;
}

/** Whether `path` is `directory` or lies below it. */
function isWithin(path: BytePath, directory: BytePath): boolean {
  return path.startsWith(directory) && (path.length === directory.length || path[directory.length] === "/");
}
