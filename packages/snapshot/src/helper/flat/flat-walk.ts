import { lstatSync, readdirSync } from "node:fs";
import { type BytePath, joinPath, ROOT } from "@varve/bytes";
import { hostPath } from "../../host-path.ts";
import { describeFile } from "../describe-file.ts";
import type { UpperEntry } from "../upper-entry.ts";
import type { FileRecord } from "./file-record.ts";
import { below } from "./real-path.ts";
import type { Unlocked } from "./unlocked.ts";

/** What {@link walkFlat} walks. */
export interface FlatWalk {
  /** Host path of the root. */
  readonly root: BytePath;
  /** The record to compare with; without one nothing counts as changed. */
  readonly before?: FileRecord;
  /** Takes what is found. */
  readonly after: FileRecord;
  readonly unlocked: Unlocked;
  /** Called for sockets that are new: no layer holds them. */
  readonly onSocket?: (path: BytePath) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Every file of a root that differs from its record, parents first; sockets are left out. One lstat a file and one listing a directory:
 * no content is read. A directory that changed carries its names, as `walkUpper` gives them.
 */
export async function* walkFlat(walk: FlatWalk): AsyncGenerator<UpperEntry, void, undefined> {
  const { root, before, after, unlocked } = walk;
  const pending: BytePath[] = [ROOT];
  let slice = performance.now();
  let count = 0;
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    const at = below(root, path);
    const stat = lstatSync(hostPath(at));
    after.set(path, stat);
    const isChanged = before !== undefined && !before.isUnchanged(path, stat);
    const entry = isChanged ? describeFile(path, lstatSync(hostPath(at), { bigint: true }), at) : undefined;
    if (stat.isDirectory()) {
      unlocked.unlock(path, stat, 0o500);
      const names = readdirSync(hostPath(at), { encoding: "latin1" }) as BytePath[];
      if (entry !== undefined) yield { ...entry, names: names.filter((name) => !lstatSync(hostPath(below(root, joinPath(path ?? ROOT, name)))).isSocket()) };
      for (let i = names.length - 1; i >= 0; i--) pending.push(joinPath(path, names[i] ?? ROOT));
    } else if (entry !== undefined) yield entry;
    else if (isChanged && stat.isSocket()) walk.onSocket?.(path);
    if ((++count & 0xff) === 0 && performance.now() - slice > 10) {
      walk.signal?.throwIfAborted();
      await new Promise((resolve) => setImmediate(resolve));
      slice = performance.now();
    }
  }
}

/** Records every file of a root. */
export async function recordRoot(walk: Omit<FlatWalk, "before">): Promise<void> {
  for await (const entry of walkFlat(walk)) void entry;
}
