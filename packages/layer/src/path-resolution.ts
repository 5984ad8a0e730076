import { type BytePath, displayPath, joinPath, ROOT } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import type { Entry } from "./entry.ts";
import type { FileTree } from "./file-tree.ts";

/** Where a path leads once symlinks are followed inside the root. */
export interface ResolvedPath {
  /** The path without symlinks: what exists, joined with what is missing. */
  readonly path: BytePath;
  /** The entry at `path`; `undefined` when part of it is missing. */
  readonly entry: Entry | undefined;
  /** The longest part of `path` that exists. May be no directory while something is missing below it. */
  readonly existing: BytePath;
  /** Components after `existing`. */
  readonly missing: readonly BytePath[];
}

/** How {@link resolvePath} treats the last component. */
export interface ResolveOptions {
  /** Whether a symlink at the very end is followed. */
  readonly followLast: boolean;
}

/** As Linux's MAXSYMLINKS. */
const MAX_LINKS = 40;

/**
 * Resolves a path in a tree as a kernel does in a chroot: absolute link targets start at the tree's root, `..` stops there. Below something that
 * is missing or is no directory, the rest is taken as it is written. `path` may have leading slashes, `.` and `..`. Throws LAYER_TOO_MANY_LINKS.
 */
export function resolvePath(tree: Pick<FileTree, "lookup">, path: string, options: ResolveOptions): ResolvedPath {
  const pending = path.split("/").reverse();
  const done: BytePath[] = [];
  let existing = 0;
  let links = 0;
  let entry = tree.lookup(ROOT);
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (name === "" || name === ".") continue;
    if (name === "..") {
      done.pop();
      existing = Math.min(existing, done.length);
      if (existing === done.length) entry = tree.lookup(done.join("/") as BytePath);
      continue;
    }
    done.push(name as BytePath);
    if (existing < done.length - 1 || entry?.type !== "directory") continue;
    const found = tree.lookup(done.join("/") as BytePath);
    if (found === undefined) continue;
    if (found.type === "symlink" && (options.followLast || hasNames(pending))) {
      if (++links > MAX_LINKS) throw tooManyLinks(path as BytePath);
      const target = found.linkTarget ?? "";
      done.pop();
      if (target.startsWith("/")) done.length = 0;
      existing = done.length;
      entry = tree.lookup(done.join("/") as BytePath);
      pending.push(...target.split("/").reverse());
      continue;
    }
    existing = done.length;
    entry = found;
  }
  const resolved = done.reduce<BytePath>(joinPath, ROOT);
  return {
    path: resolved,
    entry: existing === done.length ? entry : undefined,
    existing: done.slice(0, existing).reduce<BytePath>(joinPath, ROOT),
    missing: done.slice(existing),
  };
}

/** A trailing slash or dot follows the link before it, as in the kernel. */
function hasNames(pending: readonly string[]): boolean {
  return pending.length > 0;
}

function tooManyLinks(path: BytePath): VarveError {
  return new VarveError("LAYER_TOO_MANY_LINKS", `path ${JSON.stringify(displayPath(path).slice(0, 200))} goes through more than ${MAX_LINKS} symlinks`, {
    hint: "a symlink leads back to itself",
  });
}
