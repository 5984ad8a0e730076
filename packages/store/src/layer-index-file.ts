import { createHash } from "node:crypto";
import { open, readFile, rename } from "node:fs/promises";
import { errnoOf, onDisk } from "./disk-error.ts";

const CHECKSUM = 32;

/** The bytes that {@link writeLayerIndexFile} was given; undefined when there are none or they were damaged: an index can be made again from its layer. */
export async function readLayerIndexFile(path: string): Promise<Uint8Array | undefined> {
  const file = await onDisk("read a layer index", async () => {
    try {
      return await readFile(path);
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return undefined;
      throw error;
    }
  });
  if (file === undefined || file.length < CHECKSUM) return undefined;
  const bytes = file.subarray(CHECKSUM);
  return checksum([bytes]).equals(file.subarray(0, CHECKSUM)) ? bytes : undefined;
}

/** sha256 of the bytes, then the bytes, in pieces since an index may be large. No fsync: the checksum tells after a power cut, and the file can be made again. */
export async function writeLayerIndexFile(path: string, temporary: string, pieces: readonly Uint8Array[]): Promise<void> {
  await onDisk("write a layer index", async () => {
    const handle = await open(temporary, "wx", 0o600);
    try {
      await handle.writeFile(checksum(pieces));
      for (const piece of pieces) await handle.writeFile(piece);
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  });
}

function checksum(pieces: readonly Uint8Array[]): Buffer {
  const hash = createHash("sha256");
  for (const piece of pieces) hash.update(piece);
  return hash.digest();
}
