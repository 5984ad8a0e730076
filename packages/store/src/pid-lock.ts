import { randomUUID } from "node:crypto";
import { link, readFile, rename, rm, writeFile } from "node:fs/promises";
import { VarveError } from "@varve/errors";
import { errnoOf } from "./disk-error.ts";
import type { HeldLock } from "./file-lock.ts";
import { type ProcessIdentity, processIdentity, processState } from "./process-identity.ts";

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
  const me = encode(await processIdentity(process.pid));
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

/** `<host and process namespace> <pid> <start time>`. */
function encode({ where, pid, start }: ProcessIdentity): string {
  return `${where} ${pid} ${start}`;
}

async function isAlive(holder: string, held: string): Promise<boolean> {
  const [where = "", pid, start = ""] = holder.split(" ");
  const state = await processState({ where, pid: Number(pid), start });
  if (state === "elsewhere") refuseForeign(holder, held);
  return state !== "gone";
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
