import { baseName, type BytePath, bytePathToBytes, cleanPath, compareBytes, displayPath, joinPath, pathComponents, ROOT, toBytePath } from "@varve/bytes";
import { compileGlob, hasWildcard, type IgnoreMatcher, parsePatterns, type PathAutomaton } from "@varve/dockerfile";
import { type Entry, type FileTree, resolvePath } from "@varve/layer";
import { missingSource } from "./missing-source.ts";

/** One thing a COPY or ADD source stands for: a file, or a directory whose contents are meant. */
export interface Selected {
  /** Its last component as written or matched, before symlinks are followed. */
  readonly name: BytePath;
  /** After symlinks are followed. */
  readonly root: Entry;
  /** What is copied of it. */
  entries(): Iterable<SelectedEntry>;
  /** Whether several entries may have this node number. */
  isLinked(node: number): boolean;
}

/** An entry of a selection. */
export interface SelectedEntry {
  /** Below the selection's root; `""` is the root itself. */
  readonly relative: BytePath;
  readonly entry: Entry;
  /** A directory that is only there because something below it was selected. */
  readonly partial: boolean;
}

/** How a source is read. */
export interface SelectionOptions {
  /** `--parents`: keep the source's parent directories. */
  readonly parents: boolean;
  /** `--exclude` patterns, relative to each source directory. */
  readonly exclude: readonly string[];
  /** The pattern is a path: nothing in it is a wildcard. */
  readonly literal?: boolean;
  /** The tree is a build context; for errors. */
  readonly isContext?: boolean;
}

/**
 * What a source pattern selects in a tree (fact 20-22, 28): `..` and a leading `/` are clamped to the root, symlinks in the path and at its
 * end are followed, wildcards go by Go's `filepath.Match`. A literal path that is missing throws BUILD_COPY_SOURCE_NOT_FOUND, as
 * does the literal directory before a wildcard; a wildcard that matches nothing selects nothing.
 */
export function selectSource(tree: FileTree, pattern: string, options: SelectionOptions): readonly Selected[] {
  const exclude = options.exclude.length === 0 ? undefined : parsePatterns(options.exclude);
  if (!options.parents) return expandPattern(tree, toBytePath(pattern), options).map((match) => select(tree, match, undefined, exclude));
  const [pivot, rest] = splitPivot(pattern);
  const wanted = cleanPath(toBytePath(rest));
  if (![...pathComponents(cleanPath(toBytePath(pivot))), ...pathComponents(wanted)].some(hasWildcard)) {
    existing(tree, joinPath(cleanPath(toBytePath(pivot)), wanted), pattern, options);
  }
  const include = wanted === ROOT ? undefined : parsePatterns([displayPath(wanted)]);
  return expandPattern(tree, toBytePath(pivot), { ...options, literal: false }).map((match) => select(tree, match, include, exclude));
}

/** `a/./b`: what is before the pivot is not kept. */
function splitPivot(pattern: string): [string, string] {
  const at = pattern.indexOf("/./");
  return at < 0 ? ["/", pattern] : [pattern.slice(0, at), pattern.slice(at + 3)];
}

function expandPattern(tree: FileTree, pattern: BytePath, options: SelectionOptions): { readonly name: BytePath; readonly root: Entry }[] {
  const components = pathComponents(cleanPath(pattern));
  const first = options.literal === true ? -1 : components.findIndex(hasWildcard);
  if (first < 0) {
    const path = cleanPath(pattern);
    return [{ name: baseName(path), root: existing(tree, path, pattern, options) }];
  }
  const start = existing(tree, components.slice(0, first).join("/") as BytePath, pattern, options);
  const glob = compileGlob(decodePath(components.slice(first).join("/") as BytePath));
  // a malformed pattern matches nothing
  if (glob === undefined) return [];
  const matches = [...matchBelow(tree, start.path, glob, "")];
  return matches.map((path) => ({ name: baseName(path), root: existing(tree, path, pattern, options) }));
}

/** Paths as a walk gives them; below a directory that matches nothing is looked for, and symlinks are matched by name but not entered. */
function* matchBelow(tree: FileTree, directory: BytePath, glob: PathAutomaton, above: string): Generator<BytePath, void, undefined> {
  for (const name of tree.list(directory).toSorted(compareBytes)) {
    const path = joinPath(directory, name);
    const relative = `${above}${decodePath(name)}`;
    if (glob.matches(relative)) yield path;
    else if (tree.lookup(path)?.type === "directory" && glob.mayMatchBelow(relative)) yield* matchBelow(tree, path, glob, `${relative}/`);
  }
}

const decoder = new TextDecoder();

/** Names are bytes, patterns are characters: `?` takes a whole UTF-8 character. */
function decodePath(path: BytePath): string {
  return decoder.decode(bytePathToBytes(path));
}

function existing(tree: FileTree, path: BytePath, pattern: string, options: SelectionOptions): Entry {
  const resolved = resolvePath(tree, path, { followLast: true });
  const entry = resolved.entry;
  if (entry !== undefined) return entry;
  throw missingSource({ tree, path, pattern, isContext: options.isContext ?? false });
}

function select(
  tree: FileTree,
  match: { readonly name: BytePath; readonly root: Entry },
  include: IgnoreMatcher | undefined,
  exclude: IgnoreMatcher | undefined,
): Selected {
  return {
    ...match,
    *entries() {
      yield { relative: ROOT, entry: match.root, partial: false };
      if (match.root.type === "directory") yield* selectBelow(tree, match.root.path, include, exclude);
    },
    isLinked: (node) => tree.isLinked(node),
  };
}

function* selectBelow(
  tree: FileTree,
  root: BytePath,
  include: IgnoreMatcher | undefined,
  exclude: IgnoreMatcher | undefined,
): Generator<SelectedEntry, void, undefined> {
  const prefix = root === ROOT ? 0 : root.length + 1;
  /** A directory of which nothing is wanted. */
  let skipped: string | undefined;
  /** Directories above that wait for something below them to be selected. */
  const pending: SelectedEntry[] = [];
  for (const entry of tree.walk(root)) {
    if (entry.path === root || (skipped !== undefined && entry.path.startsWith(skipped))) continue;
    const relative = entry.path.slice(prefix) as BytePath;
    while (pending.length > 0 && !relative.startsWith(`${pending.at(-1)?.relative ?? ""}/`)) pending.pop();
    const excluded = exclude?.matches(relative) ?? false;
    const selected = !excluded && (include?.matches(relative) ?? true);
    if (selected) {
      yield* pending.splice(0);
      yield { relative, entry, partial: false };
    }
    if (entry.type !== "directory") continue;
    if (excluded && exclude?.mayDescend(relative) !== true) skipped = `${entry.path}/`;
    else if (!selected) pending.push({ relative, entry, partial: true });
  }
}
