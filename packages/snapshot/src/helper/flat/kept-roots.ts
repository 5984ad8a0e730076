import { lstatSync, readdirSync, renameSync } from "node:fs";
import { remove, type Workspace } from "../workspace.ts";

/** Whole root filesystems that stay for the next build. */
const KEPT = 2;

/** Removes all but the newest root filesystems of a workspace; one that another build takes at this moment is left to it. */
export async function keepNewest({ snapshots, work }: Workspace): Promise<void> {
  const found = readdirSync(snapshots)
    .filter((name) => name.startsWith("flat-"))
    .map((name) => ({ name, changed: lstatSync(`${snapshots}/${name}`, { throwIfNoEntry: false })?.ctimeMs ?? 0 }));
  for (const { name } of found.toSorted((a, b) => b.changed - a.changed).slice(KEPT)) {
    try {
      renameSync(`${snapshots}/${name}`, `${work}/${name}`);
    } catch {
      continue;
    }
    await remove(`${work}/${name}`);
  }
}
