import { chmodSync, closeSync, mkdirSync, openSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createProgram, launcherArch, runProgram } from "@varve/sandbox";
import { bytesOfHostPath } from "../../host-path.ts";

/** Device numbers of Linux's memory devices, and the terminal of the process. */
const DEVICES = [
  ["null", 1, 3],
  ["zero", 1, 5],
  ["full", 1, 7],
  ["random", 1, 8],
  ["urandom", 1, 9],
  ["tty", 5, 0],
] as const;
/** Names of descriptors 0, 1 and 2. */
const STREAMS = ["stdin", "stdout", "stderr"];
const S_IFCHR = 0o020000;
const AT_FDCWD = -100;

/**
 * Makes a directory (0755) with what every step has in /dev; `proc`: there is a /proc for it. `false` when devices can't be made there or
 * don't open: then there are empty files instead.
 */
export async function makeDeviceDirectory(launcher: string, directory: string, proc: boolean): Promise<boolean> {
  for (const [path, mode] of [
    [directory, 0o755],
    [`${directory}/shm`, 0o1777],
    [`${directory}/pts`, 0o755],
  ] as const) {
    mkdirSync(path);
    chmodSync(path, mode);
  }
  if (proc) {
    symlinkSync("/proc/self/fd", `${directory}/fd`);
    // shown from the host
    writeFileSync(`${directory}/ptmx`, "");
    for (const [i, name] of STREAMS.entries()) symlinkSync(`/proc/self/fd/${i}`, `${directory}/${name}`);
  } else {
    // the output's pipes get their names when there are any
    symlinkSync("null", `${directory}/stdin`);
    mkdirSync(`${directory}/fd`, { mode: 0o755 });
    for (const [i, name] of STREAMS.entries()) symlinkSync(`../${name}`, `${directory}/fd/${i}`);
  }
  const program = createProgram(launcherArch());
  for (const [name, major, minor] of DEVICES) {
    program.call(`make ${name}`, "mknodat", AT_FDCWD, program.string(bytesOfHostPath(`${directory}/${name}`)), S_IFCHR | 0o666, (major << 8) | minor);
  }
  const report = await runProgram(launcher, program.finish());
  if (report.failure === undefined && opens(`${directory}/null`)) return true;
  for (const [name] of DEVICES) {
    rmSync(`${directory}/${name}`, { force: true });
    writeFileSync(`${directory}/${name}`, "");
    chmodSync(`${directory}/${name}`, 0o666);
  }
  return false;
}

function opens(path: string): boolean {
  try {
    closeSync(openSync(path, "r+"));
    return true;
  } catch {
    return false;
  }
}
