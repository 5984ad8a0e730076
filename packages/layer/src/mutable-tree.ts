import { baseName, type BytePath, parentPath, ROOT } from "@varve/bytes";
import type { Entry } from "./entry.ts";
import { EntryTable, type Row } from "./entry-table.ts";
import { sameMetadata } from "./entry-comparison.ts";
import type { FileTree } from "./file-tree.ts";
import { type Child, OpenDirectory } from "./open-directory.ts";
import { checkedComponents, checkedName, invalidEntry } from "./path-check.ts";
import { type RowReference, rowReference, RowSpace, StoredTree } from "./stored-tree.ts";
import type { NewEntry } from "./tree-builder.ts";

const IMPLIED: Row = { type: "directory", mode: 0o755, uid: 0, gid: 0, mtime: 0, size: 0 };

/** A tree being changed. Only directories on the way to a change are opened; all else stays a row of the base's tables. */
export class MutableTree {
  readonly #table = new EntryTable();
  /** The number of `#table` among the tables of the tree. */
  readonly #number: number;
  readonly #rows: RowSpace;
  readonly #root: OpenDirectory;
  #nextNode: number;
  /** The directory that was last changed in: entries come directory by directory. Forgotten when a directory may have gone. */
  #recent: { readonly path: BytePath; readonly directory: OpenDirectory } | undefined;
  /** First row of each node number that entries were set with. */
  readonly #given = new Map<number, RowReference>();
  /** Node numbers that several entries have, or had. */
  readonly #linked: Set<number>;

  constructor(base?: FileTree) {
    const stored = base === undefined ? undefined : storedTree(base);
    this.#number = stored?.rows.tables.length ?? 0;
    this.#rows = new RowSpace([...(stored?.rows.tables ?? []), this.#table]);
    this.#nextNode = stored?.nextNode ?? 0;
    this.#linked = new Set(stored?.linked);
    this.#root = new OpenDirectory(this.#rows, stored?.root ?? this.#append("", IMPLIED, this.#nextNode++));
  }

  lookup(path: BytePath): Entry | undefined {
    const found = this.#find(path);
    return found === undefined ? undefined : this.#rows.read(rowOf(found), path);
  }

  /** Whether there is a directory at exactly this path. */
  hasDirectory(path: BytePath): boolean {
    if (this.#recent?.path === path) return true;
    const found = this.#find(path);
    return found !== undefined && this.#isDirectory(found);
  }

  set(entry: NewEntry): void {
    if (entry.type === "directory") this.#setDirectory(entry);
    else this.#place(entry.path, (name) => this.#appendFile(name, entry));
  }

  remove(path: BytePath): void {
    if (path === ROOT) throw invalidEntry(path, "is the root, which can't be removed");
    const { parent, name } = this.#parentIfThere(path);
    parent?.delete(name);
    this.#recent = undefined;
  }

  link(path: BytePath, target: BytePath): void {
    const found = this.#find(target);
    if (found === undefined) throw invalidEntry(path, `is a hardlink to ${JSON.stringify(target)}, which is not there`);
    if (this.#isDirectory(found)) throw invalidEntry(path, `is a hardlink to the directory ${JSON.stringify(target)}`);
    if (path === target) throw invalidEntry(path, "is a hardlink to itself");
    const row = this.#rows.read(rowOf(found), target);
    this.#linked.add(row.node);
    this.#place(path, (name) => this.#append(name, row, row.node));
  }

  /** Takes away what the base has at `path` and below, and leaves what was put there since. */
  removeInherited(path: BytePath): void {
    const { parent, name } = this.#parentIfThere(path);
    const child = parent?.get(name);
    if (parent !== undefined && child !== undefined && !this.#keepOwn(child)) parent.delete(name);
    this.#recent = undefined;
  }

  /** As {@link removeInherited} for everything in a directory, the directory itself excepted. */
  clearInherited(path: BytePath): void {
    const found = this.#find(path);
    if (found === undefined || !this.#isDirectory(found)) return;
    this.#clear(this.#openPath(checkedComponents(path)));
    this.#recent = undefined;
  }

  finish(): StoredTree {
    const { reference } = this.#freeze(this.#root, "");
    this.#table.trim();
    // a table without rows would only lengthen the list
    const rows = this.#table.length === 0 ? new RowSpace(this.#rows.tables.slice(0, -1)) : this.#rows;
    return new StoredTree({ rows, root: reference, nextNode: this.#nextNode, linked: this.#linked });
  }

  #setDirectory(entry: NewEntry): void {
    const { path } = entry;
    const components = checkedComponents(path);
    const name = components.at(-1) ?? "";
    const row = this.#append(name, entry, this.#nextNode++);
    if (path === ROOT) {
      this.#root.row = row;
      return;
    }
    const parent = this.#openParent(path, components);
    const child = parent.get(name);
    if (child === undefined || !this.#isDirectory(child)) parent.set(name, row);
    else this.#openChild(parent, name, child).row = row;
  }

  #place(path: BytePath, append: (name: BytePath) => RowReference): void {
    const recent = this.#recent;
    if (recent !== undefined && isChildOf(path, recent.path)) {
      this.#put(recent.directory, checkedName(path, baseName(path)), append);
      return;
    }
    const components = checkedComponents(path);
    const name = components.at(-1);
    if (name === undefined) throw invalidEntry(path, "is the root and no directory");
    const directory = this.#openParent(path, components);
    this.#recent = { path: parentPath(path), directory };
    this.#put(directory, name, append);
  }

  #put(directory: OpenDirectory, name: BytePath, append: (name: BytePath) => RowReference): void {
    const before = directory.get(name);
    if (before !== undefined && this.#isDirectory(before)) this.#recent = undefined;
    directory.set(name, append(name));
  }

  #appendFile(name: BytePath, entry: NewEntry): RowReference {
    const { node } = entry;
    if (node === undefined) return this.#append(name, entry, this.#nextNode++);
    const first = this.#given.get(node);
    if (first !== undefined) {
      const linked = this.#rows.read(first, entry.path);
      if (sameMetadata(linked, entry)) {
        this.#linked.add(linked.node);
        return this.#append(name, linked, linked.node);
      }
    }
    const reference = this.#append(name, entry, this.#nextNode++);
    if (first === undefined) this.#given.set(node, reference);
    return reference;
  }

  #append(name: string, row: Row, node: number): RowReference {
    return rowReference(this.#number, this.#table.append(name, row, node));
  }

  #openParent(path: BytePath, components: readonly BytePath[]): OpenDirectory {
    let directory = this.#root;
    for (let i = 0; i < components.length - 1; i++) {
      const name = components[i] ?? "";
      const child = directory.get(name) ?? this.#append(name, IMPLIED, this.#nextNode++);
      if (!this.#isDirectory(child)) throw invalidEntry(path, `lies below ${JSON.stringify(components.slice(0, i + 1).join("/"))}, which is no directory`);
      directory = this.#openChild(directory, name, child);
    }
    return directory;
  }

  #openPath(components: readonly BytePath[]): OpenDirectory {
    let directory = this.#root;
    for (const name of components) {
      const child = directory.get(name);
      if (child !== undefined) directory = this.#openChild(directory, name, child);
    }
    return directory;
  }

  #openChild(parent: OpenDirectory, name: string, child: Child): OpenDirectory {
    if (typeof child === "object") return child;
    const opened = new OpenDirectory(this.#rows, child);
    parent.set(name, opened);
    return opened;
  }

  /** The open parent of a path that is there; `parent` is undefined when it isn't. */
  #parentIfThere(path: BytePath): { readonly parent: OpenDirectory | undefined; readonly name: BytePath } {
    const components = checkedComponents(path);
    const name = components.at(-1) ?? ROOT;
    if (name === ROOT || this.#find(path) === undefined) return { parent: undefined, name };
    return { parent: this.#openPath(components.slice(0, -1)), name };
  }

  #find(path: BytePath): Child | undefined {
    let at: Child | undefined = this.#root;
    if (path === ROOT) return at;
    let start = 0;
    while (at !== undefined && start <= path.length) {
      const slash = path.indexOf("/", start);
      const end = slash < 0 ? path.length : slash;
      const name = path.slice(start, end);
      at = typeof at === "object" ? at.get(name) : this.#rows.findChild(at, name);
      start = end + 1;
    }
    return at;
  }

  #isDirectory(child: Child): boolean {
    return typeof child === "object" || this.#rows.isDirectory(child);
  }

  #isOwn(child: Child): boolean {
    return rowOf(child) >= rowReference(this.#number, 0);
  }

  /** Strips a child of what the base has; whether anything is left. */
  #keepOwn(child: Child): boolean {
    if (typeof child !== "object") return this.#isOwn(child);
    this.#clear(child);
    return this.#isOwn(child) || child.size > 0;
  }

  #clear(directory: OpenDirectory): void {
    for (const { name, child } of directory.children()) if (!this.#keepOwn(child)) directory.delete(name);
  }

  /** Turns an open directory into a row. A row of the base can't take other children, so it is copied. */
  #freeze(directory: OpenDirectory, name: string): { readonly reference: RowReference; readonly total: number } {
    const plain = directory.plainChildren();
    const references: RowReference[] = [];
    let below = 0;
    if (plain === undefined) {
      for (const { name: childName, child } of directory.children()) {
        const { reference, total } = typeof child === "object" ? this.#freeze(child, childName) : { reference: child, total: this.#rows.total(child) };
        references.push(reference);
        below += total;
      }
    } else for (const reference of plain) below += this.#rows.total(reference);
    const children = plain ?? references;
    if (!this.#isOwn(directory)) {
      if (this.#hasChildren(directory.row, children)) return { reference: directory.row, total: 1 + below };
      directory.row = this.#append(name, this.#rows.read(directory.row, ROOT), this.#rows.node(directory.row));
    }
    this.#table.setChildren(this.#rows.row(directory.row), children, below);
    return { reference: directory.row, total: 1 + below };
  }

  #hasChildren(row: RowReference, references: readonly RowReference[]): boolean {
    return this.#rows.childCount(row) === references.length && references.every((reference, i) => this.#rows.child(row, i) === reference);
  }
}

/** Whether `path` names something directly in `directory`. */
function isChildOf(path: BytePath, directory: BytePath): boolean {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? directory === ROOT : slash > 0 && slash === directory.length && path.startsWith(directory);
}

function rowOf(child: Child): RowReference {
  return typeof child === "object" ? child.row : child;
}

/** The tree itself where it has rows, else a copy that has. */
export function storedTree(tree: FileTree): StoredTree {
  if (tree instanceof StoredTree) return tree;
  const copy = new MutableTree();
  for (const entry of tree.walk()) copy.set(entry);
  return copy.finish();
}
