import type { Stats } from "node:fs";
import type { BytePath } from "@varve/bytes";

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
  /** Paths of files that had several names. */
  linked(): Iterable<BytePath>;
  /** The newest time of change, milliseconds. */
  newest(): number;
  /** Forgets what has changed at `time` or later: it could not be told from what changes next. */
  forgetSince(time: number): void;
}

/** Creates an empty {@link FileRecord}. */
export function createFileRecord(): FileRecord {
  const states = new Map<BytePath, FileState>();
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
      for (const [path, { changed }] of states) if (changed >= time) states.delete(path);
      newest = time;
    },
  };
}
