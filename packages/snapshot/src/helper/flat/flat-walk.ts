import { lstatSync, readdirSync } from "node:fs";
import { type BytePath, joinPath, ROOT } from "@varve/bytes";
import { type FoundRows, startFind } from "@varve/sandbox";
import { hostPath } from "../../host-path.ts";
import { describeFile } from "../describe-file.ts";
import type { UpperEntry } from "../upper-entry.ts";
import type { FileRecord } from "./file-record.ts";
import { below, statBelow } from "./real-path.ts";
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
  /** A directory of the helper's own, for what `find` prints. */
  readonly spool: string;
  /** Called for sockets that are new: no layer holds them. */
  readonly onSocket?: (path: BytePath) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Every file of a root that differs from its record, parents first; sockets are left out. No content is read. `find` lists the root where it
 * can, else it is walked: one lstat a file and one listing a directory. A directory that changed carries its names, as `walkUpper` gives them.
 */
export async function* walkFlat(walk: FlatWalk): AsyncGenerator<UpperEntry, void, undefined> {
  const { root, before, after } = walk;
  const rows = before === undefined || before.isListed() ? await listRoot(walk) : undefined;
  if (rows === undefined) return yield* walkAll(walk);
  after.set(ROOT, lstatSync(hostPath(root)));
  after.list(rows);
  if (before !== undefined) yield* lookAt(walk, before, [ROOT, ...(before.changedIn(rows) ?? [])]);
}

/** Records every file of a root. */
export async function recordRoot(walk: Omit<FlatWalk, "before">): Promise<void> {
  for await (const entry of walkFlat(walk)) void entry;
}

/** A tenth of what a walk takes. `undefined` where there is no `find`, or where it can't read all. */
async function listRoot({ root, spool, signal }: FlatWalk): Promise<FoundRows | undefined> {
  const path = hostPath(root);
  if (typeof path !== "string") return undefined;
  await using run = startFind(path, { spool, signal });
  return (await run.listing)?.rows();
}

async function* lookAt(walk: FlatWalk, before: FileRecord, paths: readonly BytePath[]): AsyncGenerator<UpperEntry, void, undefined> {
  const { root } = walk;
  const changed = paths.flatMap((path) => {
    const stat = statBelow(root, path);
    return stat === undefined || before.isUnchanged(path, stat) ? [] : [{ path, isSocket: stat.isSocket() }];
  });
  // those of earlier steps are gone
  const sockets = new Set(changed.flatMap(({ path, isSocket }) => (isSocket ? [path] : [])));
  for (const path of sockets) walk.onSocket?.(path);
  const pause = createPause(walk.signal);
  for (const { path } of changed) {
    const at = below(root, path);
    const entry = describeFile(path, lstatSync(hostPath(at), { bigint: true }), at);
    if (entry?.type === "directory") yield { ...entry, names: namesIn(at).filter((name) => !sockets.has(joinPath(path, name))) };
    else if (entry !== undefined) yield entry;
    const rest = pause();
    if (rest !== undefined) await rest;
  }
}

async function* walkAll(walk: FlatWalk): AsyncGenerator<UpperEntry, void, undefined> {
  const { root, before, after, unlocked } = walk;
  const pending: BytePath[] = [ROOT];
  const pause = createPause(walk.signal);
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    const at = below(root, path);
    const stat = lstatSync(hostPath(at));
    after.set(path, stat);
    const isChanged = before !== undefined && !before.isUnchanged(path, stat);
    const entry = isChanged ? describeFile(path, lstatSync(hostPath(at), { bigint: true }), at) : undefined;
    if (stat.isDirectory()) {
      unlocked.unlock(path, stat, 0o500);
      const names = namesIn(at);
      if (entry !== undefined) yield { ...entry, names: names.filter((name) => !lstatSync(hostPath(below(root, joinPath(path ?? ROOT, name)))).isSocket()) };
      for (let i = names.length - 1; i >= 0; i--) pending.push(joinPath(path, names[i] ?? ROOT));
    } else if (entry !== undefined) yield entry;
    else if (isChanged && stat.isSocket()) walk.onSocket?.(path);
    const rest = pause();
    if (rest !== undefined) await rest;
  }
}

function namesIn(directory: BytePath): BytePath[] {
  return readdirSync(hostPath(directory), { encoding: "latin1" }) as BytePath[];
}

/** Lets other work of the process go on, now and then. */
function createPause(signal: AbortSignal | undefined): () => Promise<void> | undefined {
  let slice = performance.now();
  let count = 0;
  return () => {
    if ((++count & 0xff) !== 0 || performance.now() - slice <= 10) return undefined;
    signal?.throwIfAborted();
    return new Promise((resolve) =>
      setImmediate(() => {
        slice = performance.now();
        resolve();
      }),
    );
  };
}
