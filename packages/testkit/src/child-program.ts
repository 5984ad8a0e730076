import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { build } from "esbuild";

/** A Node program made from one TypeScript file, for tests that need other processes. */
export interface ChildProgram {
  /** The bundled file. */
  readonly path: string;
  start(...args: readonly string[]): ChildProgramRun;
}

/** One run of it. */
export interface ChildProgramRun {
  readonly process: ChildProcessWithoutNullStreams;
  /** Resolves when standard output holds `text`; rejects when the process ends before. */
  printed(text: string): Promise<void>;
  /** Resolves when it has ended. */
  readonly ended: Promise<ChildProgramEnd>;
}

/** How a run ended. */
export interface ChildProgramEnd {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Bundles `entry` (a path) with the packages' sources into `folder`. */
export async function bundleChildProgram(entry: string, folder: string): Promise<ChildProgram> {
  const path = join(folder, "child-program.mjs");
  await build({
    entryPoints: [entry],
    outfile: path,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20.19",
    conditions: ["varve-source"],
    banner: { js: 'import { createRequire as varveCreateRequire } from "node:module"; const require = varveCreateRequire(import.meta.url);' },
    logLevel: "error",
  });
  return { path, start: (...args) => startNode([path, ...args]) };
}

/** Starts this Node with arguments; the caller awaits `ended`, having killed it if need be. */
export function startNode(args: readonly string[]): ChildProgramRun {
  const child = spawn(process.execPath, args, { stdio: "pipe" });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const ended = once(child, "close").then(() => ({ status: child.exitCode, signal: child.signalCode, stdout, stderr }));
  const printed = async (text: string): Promise<void> => {
    while (!stdout.includes(text)) {
      const more = await Promise.race([once(child.stdout, "data").then(() => true), ended.then(() => false)]);
      if (!more && !stdout.includes(text)) throw new Error(`ended before it printed ${JSON.stringify(text)}: ${stderr}`);
    }
  };
  return { process: child, printed, ended };
}
