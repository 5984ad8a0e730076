import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { digestFromHex } from "@varve/oci";
import { onDisk } from "./disk-error.ts";
import type { StoredFile, StoredKind } from "./store.ts";

/** The files of a folder that are named after a digest; what goes meanwhile is left out. */
export async function listStored(kind: StoredKind, folder: string): Promise<readonly StoredFile[]> {
  return onDisk(`list ${kind}s`, async () => {
    const files: StoredFile[] = [];
    for (const name of await readdir(folder)) {
      const hex = /^([0-9a-f]{64})(?:\.idx)?$/.exec(name)?.[1];
      const found = hex === undefined ? undefined : await lstat(join(folder, name)).catch(() => undefined);
      if (hex !== undefined && found !== undefined) files.push({ digest: digestFromHex(hex), bytes: found.size, written: found.mtimeMs });
    }
    return files;
  });
}
