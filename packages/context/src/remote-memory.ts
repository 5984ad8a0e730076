import { createHash, randomUUID } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

/**
 * What earlier builds found out about remote files, so that those that didn't change are not fetched again. Best effort: what can't be read or
 * written is not remembered.
 */
export interface RemoteMemory {
  /** `name` says of what, and how it was found out; it is hashed, since URLs may hold passwords. Whoever asks checks what is given. */
  recall(name: string): Promise<unknown>;
  /** `value` survives JSON. */
  remember(name: string, value: unknown): Promise<void>;
}

/** Keeps one small file a name in `directory`. */
export function createRemoteMemory(directory: string): RemoteMemory {
  const fileOf = (name: string): string => join(directory, `${createHash("sha256").update(name).digest("hex")}.json`);
  return {
    async recall(name) {
      try {
        return JSON.parse(await readFile(fileOf(name), "utf8")) as unknown;
      } catch {
        return undefined;
      }
    },
    async remember(name, value) {
      const temporary = join(directory, `.${randomUUID()}.partial`);
      try {
        await mkdir(directory, { recursive: true, mode: 0o700 });
        await writeFile(temporary, JSON.stringify(value), { flag: "wx", mode: 0o600 });
        await rename(temporary, fileOf(name));
      } catch {
        await rm(temporary, { force: true });
      }
    },
  };
}
