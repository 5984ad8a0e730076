import { type ErrorCode, isVarveError } from "@varve/errors";

/** What the program's exit code says; docs/exit-codes.md explains each. */
export const EXIT = {
  ok: 0,
  /** The work failed: a step, a registry, the disk. */
  failed: 1,
  /** The command line or the Dockerfile can't be understood; trying again changes nothing. */
  usage: 2,
  /** `varve verify`: the image is not what a build gives. */
  different: 3,
  /** `varve run`: varve itself failed, not the image's command (as docker run, also the next two). */
  runFailed: 125,
  /** `varve run`: the command is there but can't be executed. */
  notExecutable: 126,
  /** `varve run`: the command isn't in the image. */
  commandNotFound: 127,
  /** SIGHUP: the terminal is gone. */
  hungUp: 129,
  /** Nobody reads stdout any more; what other programs end with, by SIGPIPE. */
  brokenPipe: 141,
  /** SIGINT. */
  interrupted: 130,
  /** SIGTERM. */
  terminated: 143,
} as const;

/** The exit code for an error that ended `command`, the program's first argument. */
export function exitCodeOf(error: unknown, command: string | undefined): number {
  if (isVarveError(error, "BUILD_CANCELLED")) return EXIT.interrupted;
  // there the image's command has the ordinary codes
  if (command === "run") return runExitCode(error);
  if (!isVarveError(error)) return EXIT.failed;
  return isUsage(error.code) ? EXIT.usage : EXIT.failed;
}

/** Whether the command line or the Dockerfile itself is at fault. That a check of `error=true` found something is a result, not a misunderstanding. */
function isUsage(code: ErrorCode): boolean {
  if (code === "PLAN_CHECK_FAILED") return false;
  return code.startsWith("DOCKERFILE_") || code.startsWith("PLAN_") || USAGE.some((one) => one === code);
}

const USAGE: readonly ErrorCode[] = ["CLI_USAGE", "BUILD_INVALID_OPTION", "OCI_INVALID_REFERENCE", "OCI_INVALID_PLATFORM"];

function runExitCode(error: unknown): number {
  if (!isVarveError(error, "SANDBOX_COMMAND_NOT_FOUND")) return EXIT.runFailed;
  return error.message.includes("EACCES") ? EXIT.notExecutable : EXIT.commandNotFound;
}
