import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { digestHex, parseDiffID, parseDigest } from "@varve/oci";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type CacheRecord, createCacheKey, createLocalCache, decodeCacheRecord, encodeCacheRecord } from "./index.ts";

const KEY = createCacheKey([
  { name: "instruction", value: "COPY . /app" },
  { name: "parent", value: "sha256:00" },
]);
const RECORD: CacheRecord = {
  version: 1,
  key: KEY.digest,
  components: KEY.components,
  title: "COPY . /app",
  diffID: parseDiffID(`sha256:${"1".repeat(64)}`),
  blob: { mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", digest: parseDigest(`sha256:${"2".repeat(64)}`), size: 3, annotations: { a: "b" } },
  created: "2026-01-02T03:04:05Z",
};

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "varve-cache-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

describe("createCacheKey", () => {
  test("is sha256 over the canonical JSON of the components", () => {
    // printf '[{"name":"a","value":"b"}]' | sha256sum
    expect(createCacheKey([{ name: "a", value: "b" }]).digest).toBe("sha256:1726e2fe8a803e7f5d1fe9164989aacc32035226f50f9f7dd240bf7dce1b83c1");
  });

  test("other components, or another order, give another key", () => {
    const components = fc.array(fc.record({ name: fc.string(), value: fc.string() }), { maxLength: 4 });
    fc.assert(
      fc.property(components, components, (a, b) => {
        expect(createCacheKey(a).digest === createCacheKey(b).digest).toBe(JSON.stringify(a) === JSON.stringify(b));
      }),
    );
  });
});

describe("cache record", () => {
  test("survives encoding", () => {
    expect(decodeCacheRecord(encodeCacheRecord(RECORD))).toEqual(RECORD);
  });

  test.each([
    ["no JSON", "{"],
    ["another version", JSON.stringify({ ...RECORD, version: 2 })],
    ["components of another key", JSON.stringify({ ...RECORD, components: [] })],
    ["no diffID", JSON.stringify({ ...RECORD, diffID: "x" })],
    ["a blob without a size", JSON.stringify({ ...RECORD, blob: { ...RECORD.blob, size: -1 } })],
  ])("%s is CACHE_CORRUPT_RECORD", (_, text) => {
    expect(() => decodeCacheRecord(new TextEncoder().encode(text))).toThrow(expect.objectContaining({ code: "CACHE_CORRUPT_RECORD" }));
  });
});

describe("local cache", () => {
  test("gives back what was recorded, to another process's backend too", async () => {
    const cache = createLocalCache(join(directory, "cache", "steps"));
    expect(await cache.lookup(KEY)).toBeUndefined();
    await cache.record(RECORD);
    expect(await createLocalCache(join(directory, "cache", "steps")).lookup(KEY)).toEqual(RECORD);
    expect(await readdir(join(directory, "cache", "steps"))).toEqual([`${digestHex(KEY.digest)}.json`]);
  });

  test("recording again replaces", async () => {
    const cache = createLocalCache(directory);
    await cache.record(RECORD);
    await cache.record({ ...RECORD, title: "COPY --link . /app" });
    expect((await cache.lookup(KEY))?.title).toBe("COPY --link . /app");
  });

  test("a corrupt record is a miss, and so is one under another's name", async () => {
    const cache = createLocalCache(directory);
    const other = createCacheKey([]);
    await cache.record(RECORD);
    const path = join(directory, `${digestHex(KEY.digest)}.json`);
    await writeFile(join(directory, `${digestHex(other.digest)}.json`), await readFile(path));
    expect(await cache.lookup(other)).toBeUndefined();
    await writeFile(path, (await readFile(path)).subarray(0, 40));
    expect(await cache.lookup(KEY)).toBeUndefined();
  });

  test("drafts of killed processes are swept, fresh ones are not", async () => {
    await writeFile(join(directory, "old.draft"), "");
    await writeFile(join(directory, "new.draft"), "");
    await utimes(join(directory, "old.draft"), 1, 1);
    await createLocalCache(directory).record(RECORD);
    expect((await readdir(directory)).filter((name) => name.endsWith(".draft"))).toEqual(["new.draft"]);
  });

  test("a directory that cannot be made is CACHE_WRITE, and a lookup in it a miss", async () => {
    await writeFile(join(directory, "file"), "");
    const cache = createLocalCache(join(directory, "file", "steps"));
    expect(await cache.lookup(KEY)).toBeUndefined();
    await expect(cache.record(RECORD)).rejects.toMatchObject({ code: "CACHE_WRITE" });
  });
});
