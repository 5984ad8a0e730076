import { type ChildProcess, spawn, type StdioOptions } from "node:child_process";
import { chmodSync, closeSync, fsyncSync, openSync, writeSync } from "node:fs";
import { launcherExecutable } from "./executable.ts";
import type { Program } from "./program.ts";
import { type LauncherReport, parseReport } from "./report.ts";
import { launcherArch } from "./system-call.ts";

/** Writes the launcher to `path`, which must not exist. The directory must be one nobody else can write to. */
export function writeLauncher(path: string): void {
  const file = openSync(path, "wx", 0o500);
  try {
    writeSync(file, launcherExecutable(launcherArch()));
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  chmodSync(path, 0o500);
}

/** What a standard descriptor is: a pipe, nothing, or a descriptor of this process. */
export type LaunchStdio = "pipe" | "ignore" | number;

/** How a launched process ended. */
export interface LaunchEnd {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly report: LauncherReport;
}

/** How to start a program: the command is the launcher's path, or another that ends in it (`unshare … launcher`). */
export interface LaunchOptions {
  readonly command: readonly string[];
  readonly program: Program;
  /** Descriptors 0, 1 and 2; 3 and 4 belong to the launcher, further ones follow. */
  readonly stdio: readonly [LaunchStdio, LaunchStdio, LaunchStdio];
  /** Descriptors from 5 on. */
  readonly descriptors?: readonly number[];
  /** A session of its own, out of reach of the terminal's signals. */
  readonly detached?: boolean;
}

/** A started launcher. */
export interface Launched {
  readonly child: ChildProcess;
  /** What the program has told until now. */
  report(): LauncherReport;
  /** Resolves when the process has ended and all output was read. Rejects when the command cannot be started. */
  readonly ended: Promise<LaunchEnd>;
}

/** Starts a launcher and feeds it its program. */
export function launch(options: LaunchOptions): Launched {
  const [file = "", ...args] = options.command;
  const child = spawn(file, args, {
    stdio: [...options.stdio, "pipe", "pipe", ...(options.descriptors ?? [])] as StdioOptions,
    env: {},
    cwd: "/",
    detached: options.detached ?? false,
  });
  const reports: Buffer[] = [];
  (child.stdio[3] as NodeJS.ReadableStream | null)?.on("data", (chunk: Buffer) => reports.push(chunk));
  const report = (): LauncherReport => parseReport(Buffer.concat(reports), options.program);
  const input = child.stdio[4] as NodeJS.WritableStream | null;
  // the launcher may be gone before it read all: its exit tells, not the pipe
  input?.on("error", () => {});
  input?.end(options.program.bytes);
  const ended = new Promise<LaunchEnd>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (exitCode, signal) => resolve({ exitCode, signal, report: report() }));
  });
  return { child, report, ended };
}
