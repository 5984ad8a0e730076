import { randomUUID } from "node:crypto";
import { link, readFile, readlink, rename, rm, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { VarveError } from "@varve/errors";
import { errnoOf } from "./disk-error.ts";
import type { HeldLock } from "./file-lock.ts";

/** How long a lock of another machine or container is waited for before it is reported. */
const FOREIGN_PATIENCE_MS = 30_000;

const foreignSince = new Map<string, { readonly holder: string; readonly since: number }>();

/**
 * The fallback where no `flock` program is: a file `<path>.held` that names its holder by process id and start time, created with
 * its content by link(2). A holder that is gone is pushed aside. Weaker than flock(2): shared is as exclusive; a holder of another machine or
 * process namespace cannot be observed, so after 30 s STORE_LOCKED names it.
 */
export async function tryPidLock(path: string): Promise<HeldLock | undefined> {
  const held = `${path}.held`;
  const me = await identity(process.pid);
  if (await createWithContent(held, me)) {
    foreignSince.delete(held);
    return { release: () => rm(held, { force: true }) };
  }
  const holder = await readFile(held, "utf8").catch((error: unknown) => ignoreMissing(error));
  if (holder === undefined || (await isAlive(holder, held))) return undefined;
  await pushAside(held, holder);
  return undefined;
}

async function createWithContent(path: string, content: string): Promise<boolean> {
  const draft = `${path}.${randomUUID()}`;
  await writeFile(draft, content, { flag: "wx", mode: 0o600 });
  try {
    await link(draft, path);
    return true;
  } catch (error) {
    if (errnoOf(error) === "EEXIST") return false;
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

/** `<host and process namespace> <pid> <start time>` of a process; the start time tells a reused pid. */
async function identity(pid: number): Promise<string> {
  const namespace = await readlink("/proc/self/ns/pid").catch(() => "");
  return `${hostname()}${namespace} ${pid} ${await startTime(pid)}`;
}

async function startTime(pid: number): Promise<string> {
  const status = await readFile(`/proc/${pid}/stat`, "latin1").catch(() => undefined);
  // proc(5): field 22; field 2, in parentheses, may hold anything
  return status?.slice(status.lastIndexOf(")") + 2).split(" ")[19] ?? "unknown";
}

async function isAlive(holder: string, held: string): Promise<boolean> {
  const [where, pid] = holder.split(" ");
  const mine = await identity(Number(pid));
  if (mine.split(" ")[0] !== where) {
    refuseForeign(holder, held);
    return true;
  }
  if (!processExists(Number(pid))) return false;
  return mine === holder;
}

function processExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errnoOf(error) === "EPERM";
  }
}

function refuseForeign(holder: string, held: string): void {
  const seen = foreignSince.get(held);
  if (seen?.holder !== holder) foreignSince.set(held, { holder, since: performance.now() });
  else if (performance.now() - seen.since > FOREIGN_PATIENCE_MS) {
    throw new VarveError("STORE_LOCKED", `${held} is held by ${holder}, which runs elsewhere`, {
      hint: "install flock (util-linux), or remove the file if that process is gone",
    });
  }
}

/** Of two that push the same dead holder aside, the later may catch a new holder's file; it sees that by the content and puts it back. */
async function pushAside(held: string, dead: string): Promise<void> {
  const aside = `${held}.${randomUUID()}`;
  try {
    await rename(held, aside);
    if ((await readFile(aside, "utf8")) !== dead) await link(aside, held);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT" && errnoOf(error) !== "EEXIST") throw error;
  }
  await rm(aside, { force: true });
}

function ignoreMissing(error: unknown): undefined {
  if (errnoOf(error) === "ENOENT") return undefined;
  throw error;
}
