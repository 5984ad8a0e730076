import { closeSync, openSync } from "node:fs";
import type { Socket } from "node:net";
import { createProgram, launch, launcherArch } from "@varve/sandbox";

const AT_FDCWD = -100;
const O_WRONLY_TRUNC = 0o1001;
/** The guard's descriptors: its line to this process, then the files. */
const LINE = 5;

/** Empties files when it is told to, and when this process is gone, however it ends. */
export interface SecretGuard {
  /** Resolves when the files are empty. */
  empty(): Promise<void>;
}

/**
 * Starts a guard over files (host paths) whose content must not outlive a step. It holds the files themselves, so that it finds them
 * whatever names they have by then; read-only, since no program can be executed while someone may write to it.
 */
export function guardSecrets(launcher: string, paths: readonly (string | Buffer)[]): SecretGuard {
  if (paths.length === 0) return { empty: () => Promise.resolve() };
  const files = paths.map((path) => openSync(path, "r"));
  const program = createProgram(launcherArch());
  program.call({ label: "wait", onError: "ignore" }, "read", LINE, program.buffer(8), 8);
  for (const i of files.keys()) {
    const file = program.string(`/proc/self/fd/${LINE + 1 + i}`);
    program.call({ label: "open up", onError: "ignore" }, "fchmodat", AT_FDCWD, file, 0o600);
    program.call({ label: "empty", onError: "ignore" }, "openat", AT_FDCWD, file, O_WRONLY_TRUNC, 0);
  }
  const { child, ended } = launch({
    command: [launcher],
    program: program.finish(),
    stdio: ["ignore", "ignore", "ignore"],
    descriptors: ["pipe", ...files],
    detached: true,
  });
  for (const file of files) closeSync(file);
  return {
    async empty() {
      ((child.stdio as readonly unknown[])[LINE] as Socket).end();
      await ended;
    },
  };
}
