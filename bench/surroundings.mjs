// What a run finds on the machine, and the folders it works in.
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";

/** Whether a program is installed. */
export function has(tool) {
  try {
    execFileSync("sh", ["-c", `command -v ${tool}`], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** A folder with nothing in it. */
export function fresh(folder) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  return folder;
}
