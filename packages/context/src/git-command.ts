import { spawn } from "node:child_process";
import { VarveError } from "@varve/errors";
import type { IOOptions } from "@varve/oci";

/** Runs the `git` program; gives what it prints. Throws CONTEXT_GIT_FAILED with its last lines. */
export function runGit(args: readonly string[], options: IOOptions & { readonly env?: Readonly<Record<string, string>> }): Promise<string> {
  const { env = {}, signal } = options;
  // what `-C DIRECTORY` precedes
  const command = args[0] === "-C" ? args[2] : args[0];
  return new Promise((resolve, reject) => {
    const child = spawn("git", args, {
      // a build asks nothing: what needs a password fails
      env: { ...process.env, GIT_TERMINAL_PROMPT: "0", LC_ALL: "C", ...env },
      stdio: ["ignore", "pipe", "pipe"],
      ...(signal === undefined ? {} : { signal }),
    });
    const out: Buffer[] = [];
    const errors: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => errors.push(chunk));
    child.once("error", (cause: NodeJS.ErrnoException) => {
      const hint = cause.code === "ENOENT" ? "install git, it fetches repositories" : cause.message;
      reject(signal?.aborted === true ? cause : new VarveError("CONTEXT_GIT_FAILED", "cannot start git", { cause, hint }));
    });
    child.once("close", (code) => {
      if (code === 0) resolve(Buffer.concat(out).toString().trim());
      else
        reject(new VarveError("CONTEXT_GIT_FAILED", `git ${command ?? ""} failed`, { details: Buffer.concat(errors).toString().trim().split("\n").slice(-5) }));
    });
  });
}
