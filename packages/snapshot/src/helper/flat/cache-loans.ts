import { existsSync, lstatSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { type BytePath, parentPath } from "@varve/bytes";
import { bytesOfHostPath, hostPath } from "../../host-path.ts";
import { below, isRealDirectory, statBelow } from "./real-path.ts";

/** A cache directory that is in a step's root. */
export interface CacheLoan {
  /** Moves it back from a host path. */
  takeBack(from: BytePath): void;
}

/** Cache directories on loan to a step, each with a note beside the root, so that they outlive whoever dies meanwhile. */
export interface CacheLoans {
  /** Notes that `source` (host path) is about to be moved to `target` in the root; `undefined` when it is no cache. */
  lend(source: BytePath, target: BytePath): CacheLoan | undefined;
}

interface Note {
  readonly home: BytePath;
  readonly target: BytePath;
  readonly inode: number;
}

const NOTE = /^loan-\d+$/;
/** Name of the root in a step's directory. */
export const ROOT_NAME = "r";

/** Creates the loans of a step whose directory, which holds its root, is `directory`. */
export function createCacheLoans(directory: string, caches: string): CacheLoans {
  let serial = 0;
  return {
    lend(source, target) {
      if (!source.startsWith(`${bytesOfHostPath(caches)}/`)) return undefined;
      const note = `${directory}/loan-${serial++}`;
      writeFileSync(note, JSON.stringify({ home: source, target, inode: lstatSync(hostPath(source)).ino } satisfies Note), { mode: 0o600 });
      return {
        takeBack(from) {
          renameSync(hostPath(from), hostPath(source));
          rmSync(note);
        },
      };
    },
  };
}

/** Moves caches back that a helper which died had lent to its steps; `work` is its work directory. */
export function returnLoans(work: string): void {
  for (const step of readdirSync(work)) {
    const directory = `${work}/${step}`;
    if (!step.startsWith("step-")) continue;
    for (const name of readdirSync(directory)) if (NOTE.test(name)) returnLoan(directory, JSON.parse(readFileSync(`${directory}/${name}`, "utf8")) as Note);
  }
}

function returnLoan(directory: string, { home, target, inode }: Note): void {
  const root = bytesOfHostPath(`${directory}/${ROOT_NAME}`);
  if (!isRealDirectory(root, parentPath(target)) || statBelow(root, target)?.ino !== inode || existsSync(hostPath(home))) return;
  renameSync(hostPath(below(root, target)), hostPath(home));
}
