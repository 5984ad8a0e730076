import { mkdirSync, rmdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";

/** Where Linux has memory that everybody may write to. */
const MEMORY = "/dev/shm";
/** statfs(2): types of file systems that are memory, tmpfs and ramfs. */
const MEMORY_TYPES: readonly number[] = [0x0102_1994, 0x8584_58f6];

/** Whether what is written to a directory (host path) reaches no disk. */
export function isInMemory(directory: string): boolean {
  return MEMORY_TYPES.includes(statfsSync(directory).type);
}

/** Host path of a helper's directory in memory, by the name of its work: so that who sweeps that finds it too. */
function pathOf(id: string): string {
  return `${MEMORY}/varve-${id}`;
}

/** Makes a directory (0700) in memory for what must reach no disk, where nothing can be mounted; `undefined` where no memory can be written to. */
export function makeMemoryDirectory(id: string): string | undefined {
  const directory = pathOf(id);
  try {
    if (!isInMemory(MEMORY)) return undefined;
    mkdirSync(directory, { mode: 0o700 });
  } catch {
    // not there, or another's
    return undefined;
  }
  try {
    writeFileSync(`${directory}/trial`, "1");
    rmSync(`${directory}/trial`);
    return directory;
  } catch {
    // of no size
    rmdirSync(directory);
    return undefined;
  }
}

/** Removes what a helper had in memory. */
export function removeMemoryDirectory(id: string): void {
  rmSync(pathOf(id), { recursive: true, force: true });
}
