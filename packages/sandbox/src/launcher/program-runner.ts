import type { ChildProcess } from "node:child_process";
import type { Socket } from "node:net";
import { VarveError } from "@varve/errors";
import type { Program } from "./program.ts";
import { endOfReport, type LauncherReport, parseReport, REPORT } from "./report.ts";
import { FEED, residentParts, residentProgram } from "./resident-part.ts";
import { startProcess } from "./start-process.ts";
import { launcherArch } from "./system-call.ts";

/** Where a launcher is given its first program. */
const PROGRAM = 4;

/** Launchers that stay, by the path of the launcher: a process makes one only where it has many programs to run. */
const residents = new Map<string, Resident>();

/**
 * Makes a program's calls in a process that stays and makes those of the next: starting one takes Node some milliseconds, and a program a tenth of
 * one. The program must leave the process as it was, but for its working directory. Programs run one after another. `launcher` is the path of an open launcher. Rejects when it cannot
 * be executed; SANDBOX_HELPER_FAILED when something killed it.
 */
export async function runProgram(launcher: string, program: Program): Promise<LauncherReport> {
  const resident = residents.get(launcher) ?? startResident(launcher);
  return await resident.run(program);
}

/** Ends the process of {@link runProgram}, if there is one. */
export function endPrograms(launcher: string): void {
  residents.get(launcher)?.end();
}

interface Resident {
  run(program: Program): Promise<LauncherReport>;
  end(): void;
}

interface Running {
  readonly program: Program;
  resolve(report: LauncherReport): void;
  reject(error: unknown): void;
}

function startResident(launcher: string): Resident {
  const arch = launcherArch();
  const { program: first, resident: part } = residentParts(arch);
  const child = startProcess(launcher, [], { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe", "pipe"], env: {}, cwd: "/" });
  const streams = child.stdio as readonly unknown[] as readonly Socket[];
  const running: Running[] = [];
  let told: Buffer = Buffer.alloc(0);

  // it waits with this process for a program, and must not keep it from ending
  const attend = (wanted: boolean): void => hold([child, streams[REPORT], streams[FEED]], wanted);
  const settle = (): void => {
    for (let end = endOfReport(told); end !== undefined; end = endOfReport(told)) {
      const done = running.shift();
      if (done !== undefined) done.resolve(parseReport(told.subarray(0, end), done.program));
      told = told.subarray(end);
    }
    if (running.length === 0) attend(false);
  };
  const forget = (): void => {
    if (residents.get(launcher) === resident) residents.delete(launcher);
  };
  const over = (cause?: Error): void => {
    forget();
    const [failed, ...others] = running.splice(0);
    if (failed === undefined) return;
    const report = parseReport(told, failed.program);
    if (report.failure !== undefined) failed.resolve(report);
    else failed.reject(cause ?? new VarveError("SANDBOX_HELPER_FAILED", "the process that makes system calls was killed"));
    // none of their calls was made
    for (const other of others)
      runProgram(launcher, other.program).then(
        (made) => other.resolve(made),
        (error: unknown) => other.reject(error),
      );
  };
  // a launcher that is gone is told of by its end
  for (const stream of streams) stream?.on("error", () => {});
  child.once("error", over);
  child.once("close", () => over());
  streams[REPORT]?.on("data", (piece: Buffer) => {
    told = Buffer.concat([told, piece]);
    settle();
  });
  streams[PROGRAM]?.end(first.bytes);
  streams[FEED]?.write(part);
  const resident: Resident = {
    run: (program) =>
      new Promise((resolve, reject) => {
        attend(true);
        running.push({ program, resolve, reject });
        streams[FEED]?.write(residentProgram(program, arch));
      }),
    end() {
      forget();
      streams[FEED]?.end();
    },
  };
  residents.set(launcher, resident);
  return resident;
}

function hold(handles: readonly (ChildProcess | Socket | undefined)[], wanted: boolean): void {
  for (const handle of handles) {
    if (wanted) handle?.ref();
    else handle?.unref();
  }
}
