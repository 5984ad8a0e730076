import { isVarveError } from "@varve/errors";

/** What the program's exit code says; docs/exit-codes.md explains each. */
export const EXIT = {
  ok: 0,
  /** The work failed: a step, a registry, the disk. */
  failed: 1,
  /** The command line or the Dockerfile can't be understood; trying again changes nothing. */
  usage: 2,
  /** `varve run`: varve itself failed, not the container's command (as docker run). */
  runFailed: 125,
  /** SIGINT. */
  interrupted: 130,
} as const;

/** The exit code for an error that ended a command. */
export function exitCodeOf(error: unknown): number {
  if (!isVarveError(error)) return EXIT.failed;
  if (error.code === "BUILD_CANCELLED") return EXIT.interrupted;
  return error.code.startsWith("CLI_USAGE") || error.code.startsWith("DOCKERFILE_") ? EXIT.usage : EXIT.failed;
}
