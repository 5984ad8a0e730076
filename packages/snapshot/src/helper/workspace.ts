import { randomUUID } from "node:crypto";
import { chmodSync, closeSync, constants, existsSync, fstatSync, lstatSync, mkdirSync, openSync, readdirSync, renameSync, statSync, unlinkSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import type { BytePath } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import { createProgram, launch, launcherArch, openLauncher } from "@varve/sandbox";
import { bytesOfHostPath, hostPath } from "../host-path.ts";
import { doubtfulSnapshots } from "./doubtful-snapshots.ts";
import { returnLoans } from "./flat/cache-loans.ts";
import { removeMemoryDirectory } from "./memory-directory.ts";

/** The directories of one form (real or one id): finished snapshots, and this helper's own work. */
export interface Workspace {
  /** Names this helper's work, and no other's. */
  readonly id: string;
  /** Holds a directory per chainID, complete and never changed. */
  readonly snapshots: string;
  /** This helper's own; gone, or swept by the next build, when it ends. */
  readonly work: string;
  readonly launcher: string;
  dispose(): Promise<void>;
}

const LOCK_EXCLUSIVE_NOW = 2 | 4;
const CLAIM_ATTEMPTS = 5;

/**
 * Opens the workspace below `directory/<form>` and sweeps what dead helpers left. A helper's work is marked by `<uuid>.lock`, which it
 * holds locked while it lives; the lock goes with the process, so a mark that can be locked marks rubbish.
 */
export async function openWorkspace(directory: string, form: string): Promise<Workspace> {
  const snapshots = `${directory}/${form}`;
  const unfinished = `${snapshots}/work`;
  mkdirSync(snapshots, { recursive: true, mode: 0o700 });
  const doubtful = doubtfulSnapshots(snapshots, unfinished);
  mkdirSync(unfinished, { recursive: true, mode: 0o700 });
  const launcher = await openLauncher([unfinished, tmpdir()]);
  const { id, lock, work, mark } = await claim(unfinished, launcher.path);
  await sweep(unfinished, id, launcher.path);
  for (const name of doubtful) await discard(`${snapshots}/${name}`, `${work}/doubtful`);
  return {
    id,
    snapshots,
    work,
    launcher: launcher.path,
    async dispose() {
      launcher.close();
      await remove(work);
      removeMemoryDirectory(id);
      unlinkSync(mark);
      closeSync(lock);
    },
  };
}

async function discard(path: string, aside: string): Promise<void> {
  try {
    renameSync(path, aside);
  } catch {
    // another helper that started now has taken it
    return;
  }
  await remove(aside);
}

/** Removes a directory and all in it; names may be any bytes. */
export async function remove(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch {
    makeRemovable(bytesOfHostPath(path));
    await rm(path, { recursive: true, force: true });
  }
}

/** Bytes of a path; twice as many are still one. */
const DEEP = 2000;

/** Opens the directories that are closed to their owner, and moves those up that steps, going down by relative names, made deeper than a path can be. */
function makeRemovable(top: BytePath): void {
  const isDirectory = (path: BytePath): boolean => lstatSync(hostPath(path), { throwIfNoEntry: false })?.isDirectory() === true;
  const pending = [top];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    if (!isDirectory(at)) continue;
    chmodSync(hostPath(at), 0o700);
    if (at.length > DEEP) {
      const moved = `${top}/${randomUUID()}` as BytePath;
      renameSync(hostPath(at), hostPath(moved));
      at = moved;
    }
    for (const name of readdirSync(hostPath(at), { encoding: "latin1" })) pending.push(`${at}/${name}` as BytePath);
  }
}

interface Claim {
  readonly id: string;
  readonly lock: number;
  readonly work: string;
  readonly mark: string;
}

/** Makes and locks a work directory. A sweeping helper may take the mark between its creation and its lock: then another is made. */
async function claim(unfinished: string, launcher: string): Promise<Claim> {
  for (let attempt = 1; attempt <= CLAIM_ATTEMPTS; attempt++) {
    const id = randomUUID();
    const mark = `${unfinished}/${id}.lock`;
    const work = `${unfinished}/${id}`;
    const lock = openSync(mark, constants.O_CREAT | constants.O_EXCL | constants.O_RDWR, 0o600);
    if ((await tryLock(launcher, lock)) && statSync(mark, { throwIfNoEntry: false })?.ino === fstatSync(lock).ino) {
      mkdirSync(work, { mode: 0o700 });
      return { id, lock, work, mark };
    }
    closeSync(lock);
  }
  throw new VarveError("SANDBOX_UNAVAILABLE", `no work directory can be claimed in ${unfinished}`);
}

async function sweep(unfinished: string, own: string, launcher: string): Promise<void> {
  for (const name of readdirSync(unfinished)) {
    const id = name.replace(/\.lock$/, "");
    if (id === own || id === name) continue;
    const mark = `${unfinished}/${name}`;
    let lock: number;
    try {
      lock = openSync(mark, constants.O_RDWR);
    } catch {
      continue;
    }
    try {
      if (!(await tryLock(launcher, lock))) continue;
      removeMemoryDirectory(id);
      if (existsSync(`${unfinished}/${id}`)) {
        returnLoans(`${unfinished}/${id}`);
        await remove(`${unfinished}/${id}`);
      }
      unlinkSync(mark);
    } catch {
      // another helper sweeps it, or the next one will
    } finally {
      closeSync(lock);
    }
  }
}

/** Locks an open file for this process; `false` when another has it. The lock belongs to the open file, which the launcher shares. */
async function tryLock(launcher: string, file: number): Promise<boolean> {
  const program = createProgram(launcherArch());
  program.call("lock", "flock", 5, LOCK_EXCLUSIVE_NOW);
  const { ended } = launch({ command: [launcher], program: program.finish(), stdio: ["ignore", "ignore", "ignore"], descriptors: [file] });
  return (await ended).report.failure === undefined;
}
