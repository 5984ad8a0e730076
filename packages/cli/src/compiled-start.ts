import { existsSync } from "node:fs";
import Module, { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { compileProgram } from "./compiled-program.ts";
import { keepBytecode, restoreFlags } from "./v8-flags.ts";

/** A program to run, and when what V8 compiled of it is kept. */
export interface CompiledStart {
  /** Where the CommonJS program is. */
  readonly path: string;
  /** The store's folder of what V8 has compiled. */
  readonly folder: string;
  /** Which of the program's uses this is: each keeps what it compiled. */
  readonly command: string | undefined;
  /** Seconds a run must have taken to be worth keeping in a store where nothing was built before. */
  readonly longAfter: number;
}

/**
 * Runs a program out of what V8 compiled of it in an earlier run, or keeps that for the next one when the process has succeeded. Where nothing was built
 * before there may be no second time, as in CI: the 0.03 s that keeping takes are spent after long runs only.
 */
export function startCompiled({ path, folder, command, longAfter }: CompiledStart): void {
  const program = compileProgram(path, folder, command);
  if (!program.reused) {
    keepBytecode();
    // asked now: this run may build the first
    const hasBuilt = existsSync(join(dirname(folder), "index.json"));
    process.once("exit", (code) => {
      restoreFlags();
      if (code === 0 && (hasBuilt || process.uptime() > longAfter)) program.keep();
    });
  }
  const module = new Module(path);
  program.body(module.exports, createRequire(path), module, path, dirname(path));
}
