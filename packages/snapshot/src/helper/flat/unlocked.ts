import { chmodSync, lstatSync, type Stats } from "node:fs";
import { type BytePath, ROOT } from "@varve/bytes";
import { hostPath } from "../../host-path.ts";
import type { FileRecord } from "./file-record.ts";

/** Files and directories whose modes keep their owner out; only root may ignore that. */
export interface Unlocked {
  /** Gives this process the rights `bits` (of the owner's) to a file or directory, if it has to have them given. */
  unlock(path: BytePath, stat: Pick<Stats, "mode">, bits: number): void;
  /** Gives all their own modes back, and records them. */
  relock(record: FileRecord): void;
}

/** Creates an {@link Unlocked} of a root filesystem (host path). */
export function createUnlocked(root: BytePath): Unlocked {
  const isRoot = process.geteuid?.() === 0;
  const modes = new Map<BytePath, number>();
  const at = (path: BytePath): string | Buffer => hostPath(path === ROOT ? root : `${root}/${path}`);
  return {
    unlock(path, { mode }, bits) {
      const now = modes.get(path) === undefined ? mode : lstatSync(at(path)).mode;
      if (isRoot || (now & bits) === bits) return;
      if (!modes.has(path)) modes.set(path, mode & 0o7777);
      chmodSync(at(path), (now & 0o7777) | bits);
    },
    relock(record) {
      for (const [path, mode] of [...modes].toReversed()) {
        chmodSync(at(path), mode);
        record.set(path, lstatSync(at(path)));
      }
      modes.clear();
    },
  };
}
