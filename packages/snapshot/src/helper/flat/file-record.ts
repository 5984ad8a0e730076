import type { Stats } from "node:fs";
import { type BytePath, comparePaths, ROOT } from "@varve/bytes";
import type { FoundRows } from "@varve/sandbox";
import { changedRows } from "./changed-rows.ts";

/** What is compared to find out whether a file was changed. */
interface FileState {
  readonly inode: number;
  /** Milliseconds, with fractions. */
  readonly changed: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
}

/**
 * The state of every file of a root filesystem at one moment. The time of a file's last change of state (ctime) can't be set by a step,
 * as its modification time can; a path that leads to another file is told by the inode.
 */
export interface FileRecord {
  /** Whether a file is as it was recorded; what was recorded while the clock could still repeat its time counts as changed. */
  isUnchanged(path: BytePath, stat: Stats): boolean;
  set(path: BytePath, stat: Stats): void;
  /** Whether it was taken from a listing. */
  isListed(): boolean;
  /** Takes all files but the root directory itself, as `find` listed them; what was set before or is set after is newer. */
  list(rows: FoundRows): void;
  /**
   * Paths, but for the root directory's, that may not be as they were recorded, parents first: of the listing those whose row differs, and those
   * that were set. `undefined` where no listing was recorded.
   */
  changedIn(rows: FoundRows): readonly BytePath[] | undefined;
  /** Paths of files that had several names. */
  linked(): Iterable<BytePath>;
  /** The newest time of change, milliseconds. */
  newest(): number;
  /** Forgets what has changed at `time` or later: it could not be told from what changes next. */
  forgetSince(time: number): void;
}

/** Creates an empty {@link FileRecord}. */
export function createFileRecord(): FileRecord {
  /** Of single files; `undefined` for those that count as changed. */
  const states = new Map<BytePath, FileState | undefined>();
  let listed: FoundRows | undefined;
  const linked = new Set<BytePath>();
  let newest = 0;
  return {
    isUnchanged(path, stat) {
      const state = states.get(path);
      return (
        state !== undefined &&
        state.inode === stat.ino &&
        state.changed === stat.ctimeMs &&
        state.mode === stat.mode &&
        state.uid === stat.uid &&
        state.gid === stat.gid &&
        state.size === stat.size
      );
    },
    isListed: () => listed !== undefined,
    list(rows) {
      listed = rows;
      newest = Math.max(newest, rows.newest);
      for (const row of rows.linked) linked.add(rows.path(row));
    },
    changedIn(rows) {
      if (listed === undefined) return undefined;
      const changed = new Set([...states.keys(), ...changedRows(listed, rows).map((row) => rows.path(row))]);
      changed.delete(ROOT);
      return [...changed].sort(comparePaths);
    },
    set(path, stat) {
      states.set(path, { inode: stat.ino, changed: stat.ctimeMs, mode: stat.mode, uid: stat.uid, gid: stat.gid, size: stat.size });
      if (!stat.isDirectory() && stat.nlink > 1) linked.add(path);
      else linked.delete(path);
      newest = Math.max(newest, stat.ctimeMs);
    },
    linked: () => linked,
    newest: () => newest,
    forgetSince(time) {
      if (newest < time) return;
      for (const [path, state] of states) if (state !== undefined && state.changed >= time) states.set(path, undefined);
      for (let row = 0; row < (listed?.count ?? 0); row++) {
        if (listed === undefined || listed.changed(row) < time) continue;
        const path = listed.path(row);
        if (!states.has(path)) states.set(path, undefined);
      }
      newest = time;
    },
  };
}
