import { type BytePath, joinPath } from "@varve/bytes";
import type { Entry, FileTree } from "@varve/layer";

/**
 * A tree some files of which are as they were found later, or not there any more (`undefined`). Later entries have nodes of their own: they are
 * hardlinks of nothing.
 */
export class SettledTree implements FileTree {
  readonly #base: FileTree;
  readonly #settled: ReadonlyMap<BytePath, Entry | undefined>;

  constructor(base: FileTree, settled: ReadonlyMap<BytePath, Entry | undefined>) {
    this.#base = base;
    this.#settled = settled;
  }

  get size(): number {
    return this.#base.size - [...this.#settled.values()].filter((entry) => entry === undefined).length;
  }

  lookup(path: BytePath): Entry | undefined {
    return this.#settled.has(path) ? this.#settled.get(path) : this.#base.lookup(path);
  }

  list(directory: BytePath): readonly BytePath[] {
    const isGone = (name: BytePath): boolean => {
      const path = joinPath(directory, name);
      return this.#settled.has(path) && this.#settled.get(path) === undefined;
    };
    return this.#base.list(directory).filter((name) => !isGone(name));
  }

  *walk(from?: BytePath): Generator<Entry, void, undefined> {
    for (const listed of this.#base.walk(from)) {
      const entry = this.#settled.has(listed.path) ? this.#settled.get(listed.path) : listed;
      if (entry !== undefined) yield entry;
    }
  }

  isLinked(node: number): boolean {
    return this.#base.isLinked(node);
  }
}
