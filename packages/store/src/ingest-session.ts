import { randomUUID } from "node:crypto";
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf } from "./disk-error.ts";
import { acquireLock, type HeldLock, tryLock } from "./file-lock.ts";

const LOCK = ".lock";

/** A process's own folder `ingest/<uuid>/` for unfinished files, held by `ingest/<uuid>.lock`; whoever finds the lock free may sweep it. */
export interface IngestSession {
  /** A free name in the folder. */
  temporary(): string;
  /** Removes the folder with what is unfinished. */
  close(): Promise<void>;
}

/** Opens a session and sweeps those of processes that are gone. */
export async function openIngestSession(ingest: string, signal?: AbortSignal): Promise<IngestSession> {
  const id = randomUUID();
  const folder = join(ingest, id);
  // lock before folder: a folder without a lock file is nobody's
  const lock = await acquireLock(`${folder}${LOCK}`, "exclusive", signal);
  try {
    await mkdir(folder, { mode: 0o700 });
    await sweepIngest(ingest, id);
  } catch (error) {
    await closeSession(folder, lock);
    throw error;
  }
  let count = 0;
  return {
    temporary: () => join(folder, String(++count)),
    close: () => closeSession(folder, lock),
  };
}

async function closeSession(folder: string, lock: HeldLock): Promise<void> {
  try {
    await rm(folder, { recursive: true, force: true });
  } finally {
    await lock.release();
  }
}

/** Removes every session but `own` whose process is gone. */
async function sweepIngest(ingest: string, own: string): Promise<void> {
  const ids = new Set((await readdir(ingest)).map((name) => sessionID(name)));
  ids.delete(own);
  for (const id of ids) {
    const folder = join(ingest, id);
    const lock = await tryLock(`${folder}${LOCK}`, "exclusive", { create: false });
    if (lock !== undefined) await closeSession(folder, lock);
    else if (await isUnlocked(folder)) await rm(folder, { recursive: true, force: true });
  }
}

function sessionID(name: string): string {
  return name.replace(/\.lock.*$/, "");
}

/** Whether neither form of lock file is there. */
async function isUnlocked(folder: string): Promise<boolean> {
  return (await isMissing(`${folder}${LOCK}`)) && (await isMissing(`${folder}${LOCK}.held`));
}

async function isMissing(path: string): Promise<boolean> {
  return stat(path).then(
    () => false,
    (error: unknown) => errnoOf(error) === "ENOENT",
  );
}
