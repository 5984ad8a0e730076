import { RowNames } from "./row-names.ts";
import type { RowReference, RowSpace } from "./stored-tree.ts";

/** A child of a directory that is being changed: a row, or a directory that is being changed too. */
export type Child = RowReference | OpenDirectory;

/**
 * A directory whose children are being changed. As long as names come in order, as a walk and varve's own layers give them, children are
 * references alone, eight bytes each: their rows say the names. Otherwise they are found by name.
 */
export class OpenDirectory {
  row: RowReference;
  readonly #rows: RowSpace;
  /** In the order of names. Of an open child the row it had when it was opened: its name stays the same. */
  #sorted: RowReference[] = [];
  /** Once names came out of order, in place of `#sorted`. */
  #named: RowNames | undefined;
  #opened: Map<string, OpenDirectory> | undefined;

  /** Opens a row; a new directory's row has no children yet. */
  constructor(rows: RowSpace, row: RowReference) {
    this.row = row;
    this.#rows = rows;
    const count = rows.childCount(row);
    for (let i = 0; i < count; i++) this.#sorted.push(rows.child(row, i));
  }

  get size(): number {
    return this.#named?.size ?? this.#sorted.length;
  }

  get(name: string): Child | undefined {
    const open = this.#opened?.get(name);
    if (open !== undefined) return open;
    if (this.#named !== undefined) return this.#named.get(name);
    const at = this.#find(name);
    return at < 0 ? undefined : this.#sorted[at];
  }

  set(name: string, child: Child): void {
    this.#put(name, typeof child === "object" ? child.row : child);
    if (typeof child === "object") (this.#opened ??= new Map<string, OpenDirectory>()).set(name, child);
    else this.#opened?.delete(name);
  }

  delete(name: string): void {
    this.#byName().delete(name);
    this.#opened?.delete(name);
  }

  /** Children in the order of their names. What is given may be deleted meanwhile. */
  *children(): Generator<{ readonly name: string; readonly child: Child }, void, undefined> {
    for (const row of this.#ordered()) {
      const name = this.#rows.name(row);
      yield { name, child: this.#opened?.get(name) ?? row };
    }
  }

  /** References of all children, in order, when none of them is open. */
  plainChildren(): readonly RowReference[] | undefined {
    return (this.#opened?.size ?? 0) === 0 ? this.#ordered() : undefined;
  }

  #put(name: string, row: RowReference): void {
    if (this.#named !== undefined) {
      this.#named.set(name, row);
      return;
    }
    const last = this.#sorted.at(-1);
    if (last === undefined || this.#compare(last, name) < 0) {
      this.#sorted.push(row);
      return;
    }
    const at = this.#find(name);
    if (at < 0) this.#byName().set(name, row);
    else this.#sorted[at] = row;
  }

  #ordered(): readonly RowReference[] {
    return this.#named === undefined ? this.#sorted : this.#named.sorted();
  }

  #byName(): RowNames {
    this.#named ??= new RowNames(this.#rows, this.#sorted);
    this.#sorted = [];
    return this.#named;
  }

  #compare(row: RowReference, name: string): number {
    return this.#rows.table(row).compareName(this.#rows.row(row), name);
  }

  /** Where the child of this name stands, or -1. */
  #find(name: string): number {
    let low = 0;
    let high = this.#sorted.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const order = this.#compare(this.#sorted[middle] ?? 0, name);
      if (order === 0) return middle;
      if (order < 0) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }
}
