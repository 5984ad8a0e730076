import {
  chmodSync,
  closeSync,
  constants,
  lchownSync,
  openSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { type BytePath, displayPath, joinPath, parentPath, pathComponents, ROOT } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import type { Ids } from "@varve/sandbox";
import { hostPath } from "../../host-path.ts";
import type { WriteEntry } from "../../unpack/write-entry.ts";
import { alterDirectory } from "./alter-directory.ts";
import type { CacheLoans } from "./cache-loans.ts";
import { misplaced } from "./mount-targets.ts";
import { below, isRealDirectory, statBelow } from "./real-path.ts";

/** Names a file without opening it. */
const O_PATH = 0o10000000;

/** Something to be seen at a place of the root while a step runs. */
export interface Placement {
  readonly target: BytePath;
  readonly type: "directory" | "file";
  /** See `MountPlace`. */
  readonly make: number;
  /** Host path, on the root's own file system; it is moved from there. */
  readonly source: BytePath;
  /** What the step puts in its place is the step's own, and stays. */
  readonly readonly: boolean;
}

/**
 * What a step sees in its root directory without its being there: mounts, for whom nothing can be mounted. What they show is moved into
 * the root and out again, what was there waits outside meanwhile, and directories keep their times. Nothing is done while processes of the
 * step live, and no symlink that a step made is followed.
 */
export interface Placements {
  /** Makes an entry that a mount needs to be there, unless one of its kind is. Gone after, unless the step changed it. */
  stub(entry: WriteEntry): void;
  place(placement: Placement): void;
  /** Takes what is shown in the root, and not placed there, out of it if the step has moved or linked it there; a cache goes back to its place. */
  watch(source: BytePath, isCache: boolean): void;
  /** Paths whose own state (not that of what is below them) was changed until now. */
  readonly touched: ReadonlySet<BytePath>;
  /** Takes everything out again, and puts back what was there. */
  undo(): void;
}

/** What {@link createPlacements} works with. */
export interface PlacementOptions {
  /** Host path of the root. */
  readonly root: BytePath;
  /** Host path of a directory on the same file system, for what has to wait outside. */
  readonly aside: BytePath;
  readonly ids: Ids;
  readonly loans: CacheLoans;
}

/** Creates the {@link Placements} of a step's root. */
export function createPlacements({ root, aside, ids, loans }: PlacementOptions): Placements {
  const undos: (() => void)[] = [];
  const touched = new Set<BytePath>();
  /** Sources that the step moved elsewhere, by inode. */
  const lost = new Map<number, (path: BytePath) => void>();
  /** Targets where the step has put something of its own. */
  const replaced = new Set<BytePath>();
  /** What is told by its inode is kept open: else a file that the step makes could get the number. */
  const held: number[] = [];
  let serial = 0;
  const at = (path: BytePath): string | Buffer => hostPath(below(root, path));
  const outside = (): BytePath => `${aside}/${serial++}` as BytePath;

  const alter = (directory: BytePath, action: () => void): void => {
    alterDirectory(at(directory), action);
    touched.add(directory);
  };
  const discard = (path: BytePath): void => renameSync(at(path), hostPath(outside()));

  const hold = (path: string | Buffer): number => {
    held.push(openSync(path, O_PATH | constants.O_NOFOLLOW));
    return lstatSync(path).ino;
  };

  const moveAside = (path: BytePath): void => {
    const kept = hostPath(outside());
    alter(parentPath(path), () => renameSync(at(path), kept));
    undos.push(() => {
      // the step removed the directory it was in, and it with that
      if (replaced.has(path) || !isRealDirectory(root, parentPath(path))) return;
      alter(parentPath(path), () => {
        if (statBelow(root, path) !== undefined) discard(path);
        renameSync(kept, at(path));
      });
      touched.add(path);
    });
  };

  const stub = (entry: WriteEntry): void => {
    const { path, type } = entry;
    const there = path === ROOT ? undefined : statBelow(root, path);
    if (path === ROOT || (there !== undefined && there.isDirectory() === (type === "directory"))) return;
    if (there !== undefined) moveAside(path);
    alter(parentPath(path), () => {
      if (type === "directory") mkdirSync(at(path));
      else writeFileSync(at(path), "", { flag: "wx" });
    });
    if (ids !== "one") lchownSync(at(path), entry.uid, entry.gid);
    chmodSync(at(path), entry.mode);
    utimesSync(at(path), new Date(entry.mtime * 1000), new Date(entry.mtime * 1000));
    const made = lstatSync(at(path));
    hold(at(path));
    touched.add(path);
    undos.push(() => {
      const now = isRealDirectory(root, parentPath(path)) ? statBelow(root, path) : undefined;
      // a step's changes make it the step's own
      if (now === undefined || now.ino !== made.ino || now.mode !== made.mode || now.uid !== made.uid || now.gid !== made.gid) return;
      // a directory's time tells no more than that a mount was moved out of it
      if (now.isDirectory() ? readdirSync(at(path)).length > 0 : now.size > 0 || now.mtimeMs !== made.mtimeMs) return;
      alter(parentPath(path), () => rmSync(at(path), { recursive: true }));
    });
  };

  const place = ({ target, type, make, source, readonly }: Placement): void => {
    const components = pathComponents(target);
    let path = ROOT;
    for (const [i, name] of components.entries()) {
      const holder = path;
      path = joinPath(path, name);
      const there = statBelow(root, path);
      const isLast = i === components.length - 1;
      if (there === undefined && i < components.length - make) throw misplaced(target, "ENOENT");
      if (there === undefined && !isLast) {
        alter(holder, () => mkdirSync(at(path)));
        undoDirectory(path);
      } else if (there !== undefined && there.isDirectory() !== (!isLast || type === "directory"))
        throw misplaced(target, there.isDirectory() ? "EISDIR" : "ENOTDIR");
      else if (there !== undefined && isLast) moveAside(path);
    }
    const loan = loans.lend(source, target);
    try {
      alter(parentPath(target), () => renameSync(hostPath(source), at(target)));
    } catch (error) {
      throw new VarveError("SANDBOX_SETUP_FAILED", `cannot place what is mounted on /${displayPath(target)}: ${(error as Error).message}`, { cause: error });
    }
    const ino = hold(at(target));
    touched.add(target);
    const takeBack = (from: BytePath): void => {
      if (loan === undefined) discard(from);
      else loan.takeBack(below(root, from));
    };
    undos.push(() => {
      const now = isRealDirectory(root, parentPath(target)) ? statBelow(root, target) : undefined;
      if (now !== undefined && now.ino !== ino && readonly) replaced.add(target);
      else if (now !== undefined) alter(parentPath(target), () => (now.ino === ino ? takeBack(target) : discard(target)));
      // it was moved, or has another name by now
      if (now?.ino !== ino || (now.isFile() && now.nlink > 1)) lost.set(ino, now?.ino === ino ? discard : takeBack);
    });
  };

  const watch = (source: BytePath, isCache: boolean): void => {
    // what is on another file system cannot get there
    if (lstatSync(hostPath(source)).dev !== lstatSync(hostPath(root)).dev) return;
    const ino = hold(hostPath(source));
    undos.push(() => {
      const now = lstatSync(hostPath(source), { throwIfNoEntry: false });
      if (now?.ino === ino && (now.isDirectory() || now.nlink === 1)) return;
      lost.set(ino, isCache && now === undefined ? (path) => renameSync(at(path), hostPath(source)) : discard);
    });
  };

  /** A directory that was made in what a mount shows; whoever has filled it keeps it. */
  const undoDirectory = (path: BytePath): void => {
    undos.push(() => {
      if (isRealDirectory(root, path) && readdirSync(at(path)).length === 0) alter(parentPath(path), () => rmSync(at(path), { recursive: true }));
    });
  };

  const findLost = (): void => {
    const pending: BytePath[] = [ROOT];
    for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
      const directory = path;
      for (const name of readdirSync(at(directory), { encoding: "latin1" }) as BytePath[]) {
        const child = joinPath(directory, name);
        const stat = statBelow(root, child);
        const found = stat === undefined ? undefined : lost.get(stat.ino);
        if (found !== undefined) alter(directory, () => found(child));
        else if (stat?.isDirectory() === true) pending.push(child);
      }
    }
  };

  return {
    stub,
    place,
    watch,
    touched,
    undo() {
      for (const undo of undos.splice(0).toReversed()) undo();
      if (lost.size > 0) findLost();
      for (const descriptor of held.splice(0)) closeSync(descriptor);
    },
  };
}
