import { type BytePath, comparePaths, ROOT } from "@varve/bytes";
import { type ContentRef, type Entry, type FileTree, ListedContent } from "@varve/layer";
import { entryType, isSocket, wholeSeconds } from "./disk-stat.ts";
import type { FileStates } from "./file-states.ts";
import { ListedStates } from "./listed-states.ts";
import type { PathColumn } from "./path-column.ts";

/** Files of a directory in columns, by row, sorted as a walk; parents are rows too. */
export interface ListedFiles {
  readonly paths: PathColumn;
  readonly states: FileStates;
  /** Of symlinks. */
  readonly targets: ReadonlyMap<number, BytePath>;
  readonly devices: ReadonlyMap<number, { readonly major: number; readonly minor: number }>;
  /** Of files and directories that have some. */
  readonly xattrs: ReadonlyMap<number, ReadonlyMap<string, Uint8Array>>;
  /** Files with more than one link. */
  readonly linked: ReadonlySet<number>;
}

const NOTHING: ContentRef = { kind: "bytes", bytes: new Uint8Array(), size: 0 };
const ROOT_ENTRY: Entry = { path: ROOT, type: "directory", mode: 0o755, uid: 0, gid: 0, mtime: 0, size: 0, node: 0 };

/** A listed directory as a tree: it has no storage of its own but where each directory ends. */
export class ListingTree implements FileTree {
  readonly #files: ListedFiles;
  readonly #list: ListedStates;
  /** Of a directory's row the first row that is not below it. */
  readonly #ends: Uint32Array;
  /** Of a row with several links the node of the first of them. */
  readonly #nodes = new Map<number, number>();
  readonly #sharedNodes = new Set<number>();

  constructor(files: ListedFiles, root: string) {
    this.#files = files;
    this.#list = new ListedStates(files.paths, files.states, root);
    this.#ends = endsOf(files);
    const first = new Map<string, number>();
    for (const row of files.linked) {
      const identity = files.states.identity(row);
      const node = first.get(identity);
      if (node === undefined) first.set(identity, row + 1);
      else {
        this.#nodes.set(row, node);
        this.#sharedNodes.add(node);
      }
    }
  }

  get size(): number {
    return this.#ends.length + 1;
  }

  lookup(path: BytePath): Entry | undefined {
    if (path === ROOT) return ROOT_ENTRY;
    const row = this.#find(path);
    return row === undefined ? undefined : this.#entry(row);
  }

  list(directory: BytePath): readonly BytePath[] {
    const range = this.#below(directory);
    const names: BytePath[] = [];
    const prefix = directory === ROOT ? 0 : directory.length + 1;
    for (let row = range.start; row < range.end; row = this.#ends[row] ?? range.end) names.push(this.#path(row).slice(prefix) as BytePath);
    return names;
  }

  *walk(from: BytePath = ROOT): Generator<Entry, void, undefined> {
    const top = this.lookup(from);
    if (top === undefined) return;
    yield top;
    const { start, end } = this.#below(from);
    for (let row = start; row < end; row++) yield this.#entry(row);
  }

  isLinked(node: number): boolean {
    return this.#sharedNodes.has(node);
  }

  #path(row: number): BytePath {
    return this.#files.paths.read(row);
  }

  /** Rows below a directory; none when the path is no directory. */
  #below(directory: BytePath): { readonly start: number; readonly end: number } {
    if (directory === ROOT) return { start: 0, end: this.#ends.length };
    const row = this.#find(directory);
    return row === undefined ? { start: 0, end: 0 } : { start: row + 1, end: this.#ends[row] ?? 0 };
  }

  #find(path: BytePath): number | undefined {
    let low = 0;
    let high = this.#ends.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const order = comparePaths(this.#path(middle), path);
      if (order === 0) return middle;
      if (order < 0) low = middle + 1;
      else high = middle - 1;
    }
    return undefined;
  }

  #entry(row: number): Entry {
    const xattrs = this.#files.xattrs.get(row);
    return xattrs === undefined ? this.#bare(row) : { ...this.#bare(row), xattrs };
  }

  #bare(row: number): Entry {
    const { states, targets, devices } = this.#files;
    const mode = states.mode(row);
    const type = entryType(mode) ?? "file";
    const path = this.#path(row);
    const mtime = wholeSeconds(states.mtimeNs(row));
    const node = this.#nodes.get(row) ?? row + 1;
    if (type === "file") {
      const content: ContentRef = isSocket(mode) ? NOTHING : new ListedContent(this.#list, row);
      return { path, type, mode: mode & 0o7777, uid: 0, gid: 0, mtime, size: states.size(row), node, content };
    }
    const plain: Entry = { path, type, mode: type === "symlink" ? 0o777 : mode & 0o7777, uid: 0, gid: 0, mtime, size: 0, node };
    const linkTarget = targets.get(row);
    const device = devices.get(row);
    if (linkTarget === undefined && device === undefined) return plain;
    return { ...plain, ...(linkTarget === undefined ? {} : { linkTarget }), ...(device === undefined ? {} : { device }) };
  }
}

function endsOf({ paths, states }: ListedFiles): Uint32Array {
  const ends = new Uint32Array(states.length);
  /** Rows of the directories above, and how deep each is. */
  const open: { readonly row: number; readonly depth: number }[] = [];
  for (let row = 0; row < ends.length; row++) {
    const depth = depthOf(paths.read(row));
    for (let top = open.at(-1); top !== undefined && top.depth >= depth; top = open.at(-1)) {
      ends[top.row] = row;
      open.pop();
    }
    open.push({ row, depth });
  }
  for (const { row } of open) ends[row] = ends.length;
  return ends;
}

function depthOf(path: BytePath): number {
  let depth = 0;
  for (let at = path.indexOf("/"); at >= 0; at = path.indexOf("/", at + 1)) depth++;
  return depth;
}
