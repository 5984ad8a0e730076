import { type ChildProcess, spawn, type SpawnOptions } from "node:child_process";
import { VarveError } from "@varve/errors";

/**
 * `spawn`, but for a process that has as many files open as it may: then Node makes a child without streams, whose error nobody could
 * listen to in time. Throws SANDBOX_SETUP_FAILED there.
 */
export function startProcess(file: string, args: readonly string[], options: SpawnOptions): ChildProcess {
  const child = spawn(file, args, options);
  if ((child.stdio as ChildProcess["stdio"] | undefined) !== undefined) return child;
  child.once("error", () => {});
  throw new VarveError("SANDBOX_SETUP_FAILED", "cannot start a process: too many files are open", { hint: "raise the limit (ulimit -n)" });
}
