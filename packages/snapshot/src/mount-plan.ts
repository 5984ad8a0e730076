import { type BytePath, joinPath, parentPath, pathComponents, ROOT, toBytePath } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import { createTreeBuilder, type Entry, type FileTree, resolvePath, type TreeBuilder } from "@varve/layer";

/** What a mount shows, as far as its place in the root is concerned. */
export interface MountShape {
  /** As written: absolute, may go through symlinks of the image. */
  readonly target: string;
  readonly type: "directory" | "file";
  /** The tree that is shown, where inner mounts can be given a place beforehand; else that is made when the mount is there. */
  readonly builder?: TreeBuilder;
  /** Nothing can be mounted below it. */
  readonly closed?: boolean;
}

/** A mount with its place found. */
export interface PlacedMount<T extends MountShape> {
  readonly shape: T;
  /** Without symlinks. */
  readonly target: BytePath;
  /** How many last components of `target` are to be made below the mount that holds them, without following a symlink. */
  readonly make: number;
}

/** Where everything goes, and what has to be there for it. */
export interface MountPlan<T extends MountShape> {
  readonly mounts: readonly PlacedMount<T>[];
  /** Entries of a layer above the image's: missing targets, and directories made real, with their parents. Parents first. */
  readonly stubs: readonly Entry[];
}

/** Directories every step gets mounts on. A symlink or file of the image there is hidden by a real directory. */
const OWN_DIRECTORIES = ["dev", "proc", "sys"] as const;

/**
 * Finds each mount's place in a tree: symlinks are resolved inside the root, a missing target is made in a layer of its own that lies
 * above the image and below the step's changes, so that it can't become one. Throws SNAPSHOT_MOUNT_TARGET.
 */
export function planMounts<T extends MountShape>(tree: FileTree, shapes: readonly T[]): MountPlan<T> {
  const root = createTreeBuilder(tree);
  const stubs = new Set<BytePath>();
  for (const name of OWN_DIRECTORIES) {
    if (root.lookup(name as BytePath)?.type === "directory") continue;
    root.remove(name as BytePath);
    root.set(stub(name as BytePath, "directory"));
    stubs.add(name as BytePath);
  }
  const placed: PlacedMount<T | MountShape>[] = OWN_DIRECTORIES.map((name) => ({
    shape: { target: `/${name}`, type: "directory", closed: name !== "dev" },
    target: name as BytePath,
    make: 0,
  }));
  const byDepth = [...shapes].sort((a, b) => pathComponents(trimmed(a)).length - pathComponents(trimmed(b)).length);
  for (const shape of byDepth) {
    const { path } = resolvePath(viewOf(root, placed), toBytePath(shape.target), { followLast: true });
    if (path === ROOT) throw targetError(shape, "nothing can be mounted on the root directory");
    const holder = holderOf(placed, path);
    if (holder?.shape.closed === true) throw targetError(shape, `it is inside /${holder.target}`);
    if (holder === undefined) {
      place(root, path, shape, stubs);
      placed.push({ shape, target: path, make: 0 });
    } else if (holder.shape.builder !== undefined) {
      place(holder.shape.builder, path.slice(holder.target.length + 1) as BytePath, shape);
      placed.push({ shape, target: path, make: 0 });
    } else {
      placed.push({ shape, target: path, make: pathComponents(path).length - pathComponents(holder.target).length });
    }
  }
  return { mounts: placed.slice(OWN_DIRECTORIES.length) as PlacedMount<T>[], stubs: withParents(root, stubs) };
}

function trimmed(shape: MountShape): BytePath {
  return shape.target.replace(/^\/+|\/+$/g, "") as BytePath;
}

/** The root as it will look with the mounts that are placed already. */
function viewOf(root: TreeBuilder, placed: readonly PlacedMount<MountShape>[]): { lookup(path: BytePath): Entry | undefined } {
  return {
    lookup(path) {
      const holder = placed.findLast((mount) => path === mount.target || path.startsWith(`${mount.target}/`));
      if (holder === undefined) return root.lookup(path);
      const inside = path.slice(holder.target.length + 1) as BytePath;
      if (holder.shape.builder !== undefined) return holder.shape.builder.lookup(inside);
      return inside === "" ? { ...stub(path, holder.shape.type), node: -1 } : undefined;
    },
  };
}

function holderOf(placed: readonly PlacedMount<MountShape>[], path: BytePath): PlacedMount<MountShape> | undefined {
  return placed.findLast((mount) => path.startsWith(`${mount.target}/`));
}

/** Makes sure that a target is there with the right type. */
function place(builder: TreeBuilder, path: BytePath, shape: MountShape, stubs?: Set<BytePath>): void {
  const there = builder.lookup(path);
  // where devices can't be made there is none to mount a file on
  if (there !== undefined && (shape.type === "directory" || !isDevice(there))) {
    if ((there.type === "directory") !== (shape.type === "directory"))
      throw targetError(shape, `it is a ${there.type} in the image, and a ${shape.type} is mounted`);
    return;
  }
  if (there !== undefined) builder.remove(path);
  const missing: BytePath[] = [path];
  for (let parent = parentPath(path); builder.lookup(parent) === undefined; parent = parentPath(parent)) missing.push(parent);
  const parent = builder.lookup(parentPath(missing.at(-1) ?? path));
  if (parent?.type !== "directory") throw targetError(shape, `/${parent?.path ?? ""} is no directory`);
  for (const at of missing.toReversed()) {
    builder.set(stub(at, at === path ? shape.type : "directory"));
    stubs?.add(at);
  }
}

function isDevice({ type }: Entry): boolean {
  return type === "char" || type === "block";
}

function withParents(builder: TreeBuilder, stubs: ReadonlySet<BytePath>): Entry[] {
  const paths = new Set<BytePath>([ROOT]);
  for (const path of stubs) {
    let at = ROOT;
    for (const name of pathComponents(path)) paths.add((at = joinPath(at, name)));
  }
  return [...paths].map((path) => builder.lookup(path)).filter((entry) => entry !== undefined);
}

function stub(path: BytePath, type: "directory" | "file"): Omit<Entry, "node"> {
  const base = { path, uid: 0, gid: 0, mtime: 0, size: 0 };
  return type === "directory" ? { ...base, type, mode: 0o755 } : { ...base, type, mode: 0o644, content: { kind: "bytes", bytes: new Uint8Array(), size: 0 } };
}

function targetError(shape: MountShape, why: string): VarveError {
  return new VarveError("SNAPSHOT_MOUNT_TARGET", `cannot mount on ${shape.target}: ${why}`);
}
