import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, realpathSync, unlinkSync } from "node:fs";
import { basename, join } from "node:path";
import { findHostTool } from "../host-tool.ts";
import { FORMAT } from "./found-entry.ts";

/** What is listed, and what of it is left out; plain data. */
export interface FindRequest {
  /** Absolute. */
  readonly directory: string;
  /** Paths below the directory that are left out with all below them; ASCII. */
  readonly prunedPaths?: readonly string[];
  /** The same of names, wherever they are. */
  readonly prunedNames?: readonly string[];
}

/** `find` at work. */
export interface FindProcess {
  readonly directory: string;
  readonly args: readonly string[];
  /** When it began, milliseconds since the epoch. */
  readonly began: number;
  /** What it printed, once it has succeeded: an open file without a name, whose offset is anywhere. The owner closes it when the process has ended. */
  readonly fd: number;
  /** Whether it ended well, and complained of nothing. Never rejects. */
  readonly succeeded: Promise<boolean>;
  /** Kills it. */
  readonly stop: () => void;
}

/** The same for requests that are answered alike, whatever the directory. */
export function findArguments({ prunedPaths = [], prunedNames = [] }: FindRequest): readonly string[] {
  const tests = [...prunedPaths.map((path) => ["-path", `./${literal(path)}`]), ...prunedNames.map((name) => ["-name", literal(name)])];
  const pruned = tests.length === 0 ? [] : ["(", ...tests.flatMap((test, at) => (at === 0 ? test : ["-o", ...test])), ")", "-prune", "-o"];
  return ["-P", ".", "-mindepth", "1", ...pruned, "-printf", FORMAT];
}

/** A pattern that matches a text alone. */
function literal(text: string): string {
  return text.replaceAll(/[*?[\]\\]/g, String.raw`\$&`);
}

/** Starts GNU `find`, whose output lies for a moment in `spool`, a directory of this user's. `undefined` where there is none, or no room for what it prints. */
export function spawnFind(request: FindRequest, spool: string): FindProcess | undefined {
  const program = process.platform === "linux" ? findHostTool("find") : undefined;
  let fd: number | undefined;
  try {
    // busybox has no -printf
    if (program === undefined || basename(realpathSync(program)) === "busybox") return undefined;
    fd = openUnnamed(spool);
    const { directory } = request;
    const args = findArguments(request);
    const began = Date.now();
    // no variable of the environment may change what it prints
    const child = spawn(program, args, { cwd: directory, env: { LC_ALL: "C" }, stdio: ["ignore", fd, "pipe"] });
    return { directory, args, began, fd, succeeded: hasSucceeded(child), stop: () => void child.kill("SIGKILL") };
  } catch {
    if (fd !== undefined) closeSync(fd);
    return undefined;
  }
}

/** A pipe would wake this process some hundred times. */
function openUnnamed(folder: string): number {
  // not random: node:crypto would be loaded first
  const path = join(folder, `find-${process.pid}-${process.hrtime.bigint()}`);
  const fd = openSync(path, "wx+", 0o600);
  unlinkSync(path);
  return fd;
}

function hasSucceeded(child: ChildProcess): Promise<boolean> {
  return new Promise((resolve) => {
    let complained = false;
    child.stderr?.on("data", () => (complained = true));
    child.once("error", () => resolve(false));
    child.once("close", (status) => resolve(status === 0 && !complained));
  });
}
