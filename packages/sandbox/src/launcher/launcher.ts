import type { ChildProcess, StdioOptions } from "node:child_process";
import { randomUUID } from "node:crypto";
import { accessSync, closeSync, constants, openSync, unlinkSync, writeSync } from "node:fs";
import { VarveError } from "@varve/errors";
import { launcherExecutable } from "./executable.ts";
import { createProgram, type Program } from "./program.ts";
import { endPrograms, runProgram } from "./program-runner.ts";
import { type LauncherReport, parseReport } from "./report.ts";
import { startProcess } from "./start-process.ts";
import { launcherArch } from "./system-call.ts";

/** The launcher, ready to be executed by this process. It has no name on any disk. */
export interface Launcher {
  /** For `LaunchOptions.command`; means it in this process only. */
  readonly path: string;
  close(): void;
}

/** Descriptors a child gets are lower than this; one of the same number would take the launcher's place in the child. */
const LOWEST_DESCRIPTOR = 24;
const BUSY_ATTEMPTS = 20;

/**
 * Makes a launcher in the first of `directories` that can be written to and lets files be executed. It is unlinked at once and lives as
 * long as its descriptor, so that nothing is left however this process ends. It is tried, which starts a process; where it is not (`isTried` false), what
 * the kernel says of the file counts, and executing it may fail all the same. Throws SANDBOX_UNAVAILABLE.
 */
export async function openLauncher(directories: readonly string[], { isTried = true }: { readonly isTried?: boolean } = {}): Promise<Launcher> {
  const reasons: string[] = [];
  for (const directory of directories) {
    try {
      const file = makeUnlinked(directory);
      const path = `/proc/self/fd/${file}`;
      const launcher = {
        path,
        close: () => {
          endPrograms(path);
          closeSync(file);
        },
      };
      try {
        // which tells of a file system that lets nothing be executed
        if (isTried) await tryLauncher(launcher.path);
        else accessSync(launcher.path, constants.X_OK);
        return launcher;
      } catch (error) {
        launcher.close();
        throw error;
      }
    } catch (error) {
      reasons.push(`${directory}: ${(error as Error).message}`);
    }
  }
  throw new VarveError("SANDBOX_UNAVAILABLE", "there is no directory to execute the launcher from", {
    details: reasons,
    hint: "the data directory or the temporary one must be writable, and not mounted noexec",
  });
}

function makeUnlinked(directory: string): number {
  const path = `${directory}/.varve-launcher-${randomUUID()}`;
  const written = openSync(path, "wx", 0o555);
  try {
    writeSync(written, launcherExecutable(launcherArch()));
    return openHigh(path);
  } finally {
    closeSync(written);
    unlinkSync(path);
  }
}

function openHigh(path: string): number {
  const low: number[] = [];
  try {
    for (;;) {
      const file = openSync(path, "r");
      if (file >= LOWEST_DESCRIPTOR) return file;
      low.push(file);
    }
  } finally {
    for (const file of low) closeSync(file);
  }
}

/** A process being started elsewhere in this one may still hold the file open for writing; that passes. */
async function tryLauncher(path: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await runProgram(path, createProgram(launcherArch()).finish());
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ETXTBSY" || attempt === BUSY_ATTEMPTS) throw error;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

/** What a standard descriptor is: a pipe, nothing, or a descriptor of this process. */
export type LaunchStdio = "pipe" | "ignore" | number;

/** How a launched process ended. */
export interface LaunchEnd {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly report: LauncherReport;
}

/** How to start a program: the command is the launcher's path. */
export interface LaunchOptions {
  readonly command: readonly string[];
  readonly program: Program;
  /** Descriptors 0, 1 and 2; 3 and 4 belong to the launcher, further ones follow. */
  readonly stdio: readonly [LaunchStdio, LaunchStdio, LaunchStdio];
  /** Descriptors from 5 on; a pipe is both ways, and found in the child's `stdio`. */
  readonly descriptors?: readonly (number | "pipe")[];
  /** A session of its own, out of reach of the terminal's signals. */
  readonly detached?: boolean;
}

/** A started launcher. */
export interface Launched {
  readonly child: ChildProcess;
  /** What the program has told until now. */
  report(): LauncherReport;
  /** Resolves with the process that the program made and told of (`child` of its report), or with nothing when it ended without. */
  readonly made: Promise<number | undefined>;
  /** Resolves when the process has ended and all output was read. Rejects when the command cannot be started. */
  readonly ended: Promise<LaunchEnd>;
}

/** Starts a launcher and feeds it its program. */
export function launch(options: LaunchOptions): Launched {
  const [file = "", ...args] = options.command;
  const child = startProcess(file, args, {
    stdio: [...options.stdio, "pipe", "pipe", ...(options.descriptors ?? [])] as StdioOptions,
    env: {},
    cwd: "/",
    detached: options.detached ?? false,
  });
  const reports: Buffer[] = [];
  const report = (): LauncherReport => parseReport(Buffer.concat(reports), options.program);
  const input = child.stdio[4] as NodeJS.WritableStream | null;
  // the launcher may be gone before it read all: its exit tells, not the pipe
  input?.on("error", () => {});
  input?.end(options.program.bytes);
  const made = new Promise<number | undefined>((resolve) => {
    const told = child.stdio[3] as NodeJS.ReadableStream | null;
    told?.on("data", (chunk: Buffer) => {
      reports.push(chunk);
      const pid = report().child;
      if (pid !== undefined) resolve(pid);
    });
    told?.on("end", () => resolve(undefined));
    child.once("error", () => resolve(undefined));
  });
  const ended = new Promise<LaunchEnd>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (exitCode, signal) => resolve({ exitCode, signal, report: report() }));
  });
  return { child, report, made, ended };
}
