import { type BytePath, joinPath, ROOT } from "@varve/bytes";
import type { Entry } from "./entry.ts";
import type { EntryTable } from "./entry-table.ts";
import type { FileTree } from "./file-tree.ts";

/** A row of one of a tree's tables: `table * 2³² + row`. Trees that derive from one another share their first tables. */
export type RowReference = number;

const ROWS = 2 ** 32;

/** A reference from a table's number in the tree and a row. */
export function rowReference(table: number, row: number): RowReference {
  return table * ROWS + row;
}

/** Rows and tables of a tree; what builder and diff see of it. */
export class RowSpace {
  readonly tables: readonly EntryTable[];

  constructor(tables: readonly EntryTable[]) {
    this.tables = tables;
  }

  table(reference: RowReference): EntryTable {
    return this.tables[Math.floor(reference / ROWS)] as EntryTable;
  }

  row(reference: RowReference): number {
    return reference % ROWS;
  }

  read(reference: RowReference, path: BytePath): Entry {
    return this.table(reference).read(this.row(reference), path);
  }

  node(reference: RowReference): number {
    return this.table(reference).node(this.row(reference));
  }

  isDirectory(reference: RowReference): boolean {
    return this.table(reference).isDirectory(this.row(reference));
  }

  name(reference: RowReference): BytePath {
    return this.table(reference).name(this.row(reference));
  }

  total(reference: RowReference): number {
    return this.table(reference).total(this.row(reference));
  }

  childCount(reference: RowReference): number {
    return this.table(reference).childCount(this.row(reference));
  }

  child(reference: RowReference, i: number): RowReference {
    return this.table(reference).child(this.row(reference), i);
  }

  /** The child of that name, by binary search; `undefined` when there is none. */
  findChild(directory: RowReference, name: string): RowReference | undefined {
    const table = this.table(directory);
    const row = this.row(directory);
    let low = 0;
    let high = table.childCount(row) - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const child = table.child(row, middle);
      const order = this.table(child).compareName(this.row(child), name);
      if (order === 0) return child;
      if (order < 0) low = middle + 1;
      else high = middle - 1;
    }
    return undefined;
  }
}

/** The tree that {@link createTreeBuilder} makes. */
export class StoredTree implements FileTree {
  readonly rows: RowSpace;
  readonly root: RowReference;
  /** The first node number no entry has. */
  readonly nextNode: number;
  /** Node numbers that several entries may have. */
  readonly linked: ReadonlySet<number>;

  constructor(parts: Pick<StoredTree, "rows" | "root" | "nextNode" | "linked">) {
    this.rows = parts.rows;
    this.root = parts.root;
    this.nextNode = parts.nextNode;
    this.linked = parts.linked;
  }

  get size(): number {
    return this.rows.total(this.root);
  }

  isLinked(node: number): boolean {
    return this.linked.has(node);
  }

  lookup(path: BytePath): Entry | undefined {
    const found = this.find(path);
    return found === undefined ? undefined : this.rows.read(found, path);
  }

  list(directory: BytePath): readonly BytePath[] {
    const found = this.find(directory);
    if (found === undefined) return [];
    return Array.from({ length: this.rows.childCount(found) }, (_, i) => this.rows.name(this.rows.child(found, i)));
  }

  *walk(from: BytePath = ROOT): Generator<Entry, void, undefined> {
    const start = this.find(from);
    if (start === undefined) return;
    yield this.rows.read(start, from);
    // an explicit stack: nested generators cost their depth at every entry
    const stack = [{ directory: start, path: from, next: 0 }];
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      if (top.next === this.rows.childCount(top.directory)) {
        stack.pop();
        continue;
      }
      const child = this.rows.child(top.directory, top.next++);
      const path = joinPath(top.path, this.rows.name(child));
      yield this.rows.read(child, path);
      if (this.rows.isDirectory(child)) stack.push({ directory: child, path, next: 0 });
    }
  }

  /** The row at exactly this path. */
  find(path: BytePath): RowReference | undefined {
    let at: RowReference | undefined = this.root;
    if (path === "") return at;
    let start = 0;
    while (at !== undefined && start <= path.length) {
      const slash = path.indexOf("/", start);
      const end = slash < 0 ? path.length : slash;
      at = this.rows.findChild(at, path.slice(start, end));
      start = end + 1;
    }
    return at;
  }
}
