import { createHash } from "node:crypto";
import { readdir, rm, stat } from "node:fs/promises";
import path from "node:path";
import { type ProcessIdentity, processIdentity, processState } from "@varve/store";

/** After this long what a process of another machine or container left counts as abandoned. */
const FOREIGN_PATIENCE_MS = 24 * 60 * 60 * 1000;

let count = 0;

/**
 * A name beside `target` for what is not whole yet, `.NAME.<owner>.partial`; the caller makes it, and renames it to `target` at the end. It names its
 * process, so that the next export to the same place removes what a killed one left: a file without a name would be better, but
 * link(2) can neither name nor replace one from Node.
 */
export async function partialPath(target: string): Promise<string> {
  const prefix = `.${path.basename(target)}.`;
  const directory = path.dirname(target);
  await sweep(directory, prefix);
  return path.join(directory, `${prefix}${encode(await processIdentity(process.pid))}-${++count}.partial`);
}

async function sweep(directory: string, prefix: string): Promise<void> {
  // a folder that can't be read is found out by whoever writes
  for (const name of await readdir(directory).catch(() => [])) {
    if (!name.startsWith(prefix)) continue;
    const file = path.join(directory, name);
    if (await isAbandoned(name.slice(prefix.length), file)) await rm(file, { recursive: true, force: true }).catch(() => {});
  }
}

async function isAbandoned(rest: string, file: string): Promise<boolean> {
  const match = /^([0-9a-f]{12})-(\d+)-(\w+)-\d+\.partial$/.exec(rest);
  if (match === null) return false;
  const [, place = "", pid, start = ""] = match;
  const here = await processIdentity(Number(pid));
  if (placeOf(here) === place) return (await processState({ ...here, start })) === "gone";
  const age = Date.now() - ((await stat(file).catch(() => undefined))?.mtimeMs ?? Date.now());
  return age > FOREIGN_PATIENCE_MS;
}

function encode(identity: ProcessIdentity): string {
  return `${placeOf(identity)}-${identity.pid}-${identity.start}`;
}

/** Of fixed length: a file's name has 255 bytes. */
function placeOf({ where }: ProcessIdentity): string {
  return createHash("sha256").update(where).digest("hex").slice(0, 12);
}
