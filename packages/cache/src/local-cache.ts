import { randomUUID } from "node:crypto";
import { lstat, mkdir, open, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { VarveError } from "@varve/errors";
import { digestHex, type IOOptions } from "@varve/oci";
import type { CacheBackend, CacheKey, CacheRecord } from "./cache.ts";
import { decodeCacheRecord, encodeCacheRecord } from "./cache-record.ts";

/** Components list what a step reads, not the contents; this is far above any real record. */
const RECORD_LIMIT = 16 * 1024 * 1024;
const DRAFT = ".draft";
/** A draft lives for milliseconds; one this old belongs to a process that was killed. */
const STALE_DRAFT_MS = 60 * 60 * 1000;

/**
 * Records as `<directory>/<key's hex>.json`, each written whole or not at all; several processes may share the directory. Not
 * fsynced: a record lost in a power cut is a miss. The directory is made, 0700, by the first record.
 */
export function createLocalCache(directory: string): CacheBackend {
  let prepared: Promise<void> | undefined;
  return {
    name: "local",
    async lookup(key: CacheKey, options?: IOOptions): Promise<CacheRecord | undefined> {
      options?.signal?.throwIfAborted();
      return readRecord(recordPath(directory, key.digest), key);
    },
    async record(record: CacheRecord, options?: IOOptions): Promise<void> {
      options?.signal?.throwIfAborted();
      try {
        await (prepared ??= prepare(directory));
        await writeRecord(directory, record);
      } catch (cause) {
        prepared = undefined;
        throw new VarveError("CACHE_WRITE", `cannot record ${record.title} in the cache`, { hint: "see whether the disk is full or read-only", cause });
      }
    },
  };
}

function recordPath(directory: string, key: CacheRecord["key"]): string {
  return join(directory, `${digestHex(key)}.json`);
}

async function readRecord(path: string, key: CacheKey): Promise<CacheRecord | undefined> {
  try {
    const bytes = await readLimited(path);
    if (bytes === undefined) return undefined;
    const record = decodeCacheRecord(bytes);
    return record.key === key.digest ? record : undefined;
  } catch {
    return undefined;
  }
}

async function readLimited(path: string): Promise<Uint8Array | undefined> {
  const handle = await open(path, "r");
  try {
    return (await handle.stat()).size > RECORD_LIMIT ? undefined : await handle.readFile();
  } finally {
    await handle.close();
  }
}

async function writeRecord(directory: string, record: CacheRecord): Promise<void> {
  const draft = join(directory, `${randomUUID()}${DRAFT}`);
  try {
    await writeFile(draft, encodeCacheRecord(record), { flag: "wx", mode: 0o600 });
    await rename(draft, recordPath(directory, record.key));
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

async function prepare(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const drafts = (await readdir(directory)).filter((name) => name.endsWith(DRAFT));
  for (const name of drafts) {
    const path = join(directory, name);
    const age = await lstat(path).then(
      (file) => Date.now() - file.mtimeMs,
      () => 0,
    );
    if (age > STALE_DRAFT_MS) await rm(path, { force: true });
  }
}
