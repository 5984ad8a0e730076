import { spawn } from "node:child_process";
import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { delimiter, isAbsolute, join } from "node:path";
import { VarveError } from "@varve/errors";

const FOLDERS = ["/usr/bin", "/bin", "/usr/local/bin", "/opt/homebrew/bin", "/run/current-system/sw/bin"];
let found: Promise<string | undefined> | undefined;

/** The absolute path of `flock` (util-linux or busybox), looked for once a process; undefined when there is none. */
export function findFlock(): Promise<string | undefined> {
  return (found ??= search());
}

async function search(): Promise<string | undefined> {
  const path = (process.env["PATH"] ?? "").split(delimiter).filter((folder) => isAbsolute(folder));
  for (const folder of new Set([...FOLDERS, ...path])) {
    const program = join(folder, "flock");
    if (
      await access(program, constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return program;
  }
  return undefined;
}

/**
 * Locks our open file without waiting; `false` when another open file holds it. flock(2) locks belong to the open file, which the
 * short-lived program shares with us: the lock outlives it and ends when our descriptor closes, however our process dies.
 */
export function tryFlock(program: string, descriptor: number, mode: "shared" | "exclusive"): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, [mode === "shared" ? "-s" : "-x", "-n", "3"], { stdio: ["ignore", "ignore", "pipe", descriptor] });
    let complaint = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      if (complaint.length < 1000) complaint += text;
    });
    child.on("error", (cause) => reject(new VarveError("STORE_IO", `cannot run ${program}`, { cause })));
    child.on("close", (status, signal) => {
      if (status === 0) resolve(true);
      else if (status === 1 && complaint === "") resolve(false);
      else
        reject(
          new VarveError("STORE_IO", `${program} failed with ${signal ?? `status ${status}`}: ${complaint.trim()}`, {
            hint: "the store needs a disk that supports flock(2)",
          }),
        );
    });
  });
}
