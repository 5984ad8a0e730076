import { dirname } from "node:path";
import { VarveError } from "@varve/errors";

/** The `code` of a system error, e.g. `ENOENT`; undefined for anything else. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error) || !("syscall" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

/**
 * Runs a disk operation; a system error becomes STORE_DISK_FULL or STORE_IO with `doing` (e.g. "write the blob") in its message.
 * `folder` is named where the disk is full and the error itself names no path. Everything else (aborts, errors of varve's own) passes as it is.
 */
export async function onDisk<T>(doing: string, operation: () => Promise<T>, folder?: string): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    throw diskError(error, doing, folder);
  }
}

/** As {@link onDisk} maps it. */
export function diskError(error: unknown, doing: string, folder?: string): unknown {
  const errno = errnoOf(error);
  if (errno === undefined || !(error instanceof Error)) return error;
  if (errno === "ENOSPC" || errno === "EDQUOT") {
    const where = folder ?? ("path" in error && typeof error.path === "string" ? dirname(error.path) : "the store");
    return new VarveError("STORE_DISK_FULL", `cannot ${doing}: no space left in ${where}`, {
      hint: "free some space there, or set VARVE_HOME to a larger disk",
      cause: error,
    });
  }
  return new VarveError("STORE_IO", `cannot ${doing}: ${error.message}`, { hint: HINTS[errno], cause: error });
}

const HINTS: Readonly<Record<string, string>> = {
  EACCES: "the store must belong to the user who runs varve; set VARVE_HOME to a folder of your own",
  EPERM: "the store must belong to the user who runs varve; set VARVE_HOME to a folder of your own",
  EROFS: "the store needs a writable disk; set VARVE_HOME to one",
  EMFILE: "raise the limit of open files (ulimit -n)",
  ENFILE: "the machine has too many open files",
};
