import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { type IgnoreMatcher, parseIgnore } from "@varve/dockerfile";
import { VarveError } from "@varve/errors";
import { TEXT_LIMIT } from "./context.ts";

/** The ignore file of a directory. */
export interface IgnoreFile {
  /** Host path, as the paths it was found by are given. */
  readonly path: string;
  readonly matcher: IgnoreMatcher;
}

/**
 * `<dockerfile>.dockerignore` beside the Dockerfile, else the directory's `.dockerignore`; `undefined` when neither is there. Throws
 * DOCKERFILE_IGNORE_PATTERN, CONTEXT_UNREADABLE and CONTEXT_TOO_LARGE.
 */
export async function readIgnoreFile(directory: string, dockerfile: string | undefined): Promise<IgnoreFile | undefined> {
  const paths = [...(dockerfile === undefined ? [] : [`${dockerfile}.dockerignore`]), join(directory, ".dockerignore")];
  for (const path of paths) {
    const bytes = await readLimitedFile(path);
    if (bytes !== undefined) return { path, matcher: parseIgnore(new TextDecoder().decode(bytes), { file: path }) };
  }
  return undefined;
}

/** A file that is read whole; `undefined` when there is none. Throws CONTEXT_UNREADABLE and CONTEXT_TOO_LARGE. */
export async function readLimitedFile(path: string): Promise<Uint8Array | undefined> {
  try {
    const { size } = await stat(path);
    if (size > TEXT_LIMIT) throw new VarveError("CONTEXT_TOO_LARGE", `${path} is larger than ${TEXT_LIMIT / 1024 / 1024} MiB`);
    return await readFile(path);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === "ENOENT" || code === "ENOTDIR" || code === "EISDIR") return undefined;
    if (cause instanceof VarveError) throw cause;
    throw new VarveError("CONTEXT_UNREADABLE", `cannot read ${path}`, { cause, hint: (cause as Error).message });
  }
}
