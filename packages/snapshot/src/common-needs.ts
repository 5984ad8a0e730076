import { accessSync, constants, existsSync, mkdirSync, statfsSync } from "node:fs";
import { VarveError } from "@varve/errors";

const ELSEWHERE = "set VARVE_HOME to a folder of your own on a disk that can be written to";
const HINTS: Readonly<Record<string, string>> = { EROFS: ELSEWHERE, EACCES: ELSEWHERE, EPERM: ELSEWHERE };

/**
 * Makes the folder that root filesystems lie in (a host path), and sees to what every rung needs, so that it is said once and not for each: a
 * /proc (SANDBOX_UNAVAILABLE), and a folder that can be written to and has space (SNAPSHOT_FOLDER_UNUSABLE). Writes nothing.
 */
export function checkCommonNeeds(folder: string): void {
  if (!existsSync("/proc/self/fd")) {
    throw new VarveError("SANDBOX_UNAVAILABLE", "there is no /proc here, which every sandbox is started by", {
      hint: "mount it (mount -t proc proc /proc), or run varve where it is mounted",
    });
  }
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    accessSync(folder, constants.W_OK);
  } catch (cause) {
    const { code = "", message } = cause as NodeJS.ErrnoException;
    throw new VarveError("SNAPSHOT_FOLDER_UNUSABLE", `cannot write to ${folder}: ${message.replace(/, \w+ '.*$/, "")}`, { cause, hint: HINTS[code] });
  }
  const { blocks, bfree, bavail } = statfsSync(folder);
  // memory without a limit has no blocks
  if (blocks === 0 || (process.geteuid?.() === 0 ? bfree : bavail) > 0) return;
  throw new VarveError("SNAPSHOT_FOLDER_UNUSABLE", `no space is left in ${folder}`, { hint: "free some space there, or set VARVE_HOME to a larger disk" });
}
