import type { Readable } from "node:stream";
import type { BytePath } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import type { Program, ProgramBuilder } from "./program.ts";
import { runProgram } from "./program-runner.ts";
import { type LauncherReport, parseReport, REPORT, reportWord } from "./report.ts";
import { FEED } from "./resident-part.ts";

/** Host paths, as bytes, of named pipes that have readers already; their names are gone once the process is there. */
export interface ForkPipes {
  readonly output: BytePath;
  readonly error: BytePath;
  readonly report: BytePath;
}

/** A process that a launcher that stays has made of itself. */
export interface Forked {
  readonly pid: number;
  /** What it has told until now. */
  report(): LauncherReport;
  /** Resolves with all it told when it has ended. */
  readonly ended: Promise<LauncherReport>;
}

const AT_FDCWD = -100;
const O_WRONLY = 1;
const WNOHANG = 1;
const SIGCHLD = 17;
/** More than a process has that go on to what it executes. */
const MANY = 64;
/** The descriptors a launcher that stays opens next, when it has closed what it was given beside its own. */
const [OUTPUT, ERROR, TOLD] = [4, 6, 7];

/** Closes all descriptors from `first` on. `closeRange`: the kernel is known to have close_range(2). */
export function closeFrom(program: ProgramBuilder, first: number, closeRange = false): void {
  // kernels before 5.9 know only this way
  const end = closeRange ? first : MANY;
  for (let descriptor = first; descriptor < end; descriptor++) program.call({ label: "close descriptors", onError: "ignore" }, "close", descriptor);
  program.call({ label: "close descriptors", onError: "ignore" }, "close_range", first, 0xffff_ffff, 0);
}

/**
 * Begins a program for a launcher that stays, by which it makes a process of itself: what is added is done by that one, in a session of its own, with the
 * pipes and nothing else open, until the function it gives is called. The launcher goes on at once. Starting a process takes Node milliseconds, and this
 * takes a tenth of one.
 */
export function beginForked(program: ProgramBuilder, pipes: ForkPipes, closeRange = false): () => void {
  // two for each that is made: so they never gather
  for (const _ of [1, 2]) program.call({ label: "wait for one that has ended", onError: "ignore" }, "wait4", -1, 0, WNOHANG, 0);
  closeFrom(program, FEED + 1, closeRange);
  const paths = [pipes.output, pipes.error, pipes.report].map((path) => program.string(path));
  for (const path of paths) program.call("open a pipe", "openat", AT_FDCWD, path, O_WRONLY);
  for (const path of paths) program.call({ label: "take a pipe's name away", onError: "ignore" }, "unlinkat", AT_FDCWD, path, 0);
  const stays = program.branch();
  const child = reportWord(program, "child");
  program.call({ label: "make a process", onPositive: stays, result: child.result }, "clone", SIGCHLD, 0, 0, 0, 0);
  program.call("make a session", "setsid");
  const places = [
    [OUTPUT, 1],
    [ERROR, 2],
    [TOLD, REPORT],
  ] as const;
  for (const [from, to] of places) program.call("take a pipe", "dup3", from, to, 0);
  for (const descriptor of [OUTPUT, FEED, ERROR, TOLD]) program.call("close descriptors", "close", descriptor);
  return () => {
    program.call("leave", "exit_group", 0);
    program.mark(stays);
    for (const [from] of places) program.call("close descriptors", "close", from);
    child.send();
  };
}

/** Runs a program of {@link beginForked}; `told` reads its report's pipe, and is this function's from here on. Throws SANDBOX_SETUP_FAILED. */
export async function runForked(launcher: string, program: Program, told: Readable): Promise<Forked> {
  const pieces: Buffer[] = [];
  const report = (): LauncherReport => parseReport(Buffer.concat(pieces), program);
  told.on("data", (piece: Buffer) => pieces.push(piece));
  const ended = new Promise<LauncherReport>((resolve, reject) => {
    told.once("error", reject);
    told.once("close", () => resolve(report()));
  });
  ended.catch(() => {});
  const { child, failure } = await runProgram(launcher, program);
  if (child === undefined) throw new VarveError("SANDBOX_SETUP_FAILED", `cannot ${failure?.label ?? "make a process"}: ${failure?.code ?? "killed"}`);
  return { pid: child, report, ended };
}
