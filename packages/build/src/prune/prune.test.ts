import { randomUUID } from "node:crypto";
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openImage } from "@varve/image";
import { openStore } from "@varve/store";
import { afterEach, beforeEach, expect, test } from "vitest";
import { build } from "../build.ts";
import type { BuildResult } from "../build-options.ts";
import { pruneStore, storeUsage } from "./prune.ts";

let root: string;
let home: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "varve-prune-"));
  home = join(root, "home");
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function make(name: string, content: string, tag = name): Promise<BuildResult> {
  const context = join(root, name);
  await mkdir(context, { recursive: true });
  await writeFile(join(context, "file"), content);
  return build({ context, dockerfile: "FROM scratch\nCOPY file /\nCOPY file /copy\n", home, tags: [tag] });
}

/** Reads every blob of an image; throws when one is missing or damaged. */
async function readImage(name: string): Promise<void> {
  await using store = await openStore({ root: home });
  const image = await openImage(store, await store.resolve(`docker.io/library/${name}:latest`));
  for (const layer of image.layers) for await (const _ of await layer.open()) continue;
}

const counts = (rows: readonly { readonly kind: string; readonly count: number }[]): Record<string, number> =>
  Object.fromEntries(rows.map(({ kind, count }) => [kind, count]));

async function untag(name: string): Promise<void> {
  await using store = await openStore({ root: home });
  await store.untag(`docker.io/library/${name}:latest`);
}

test("images stay; what only the cache needs goes when it is old, with its blobs", async () => {
  await make("kept", "1");
  await make("gone", "2");
  await untag("gone");
  // manifest and config are nobody's any more; the layers are the cache's
  expect(counts((await pruneStore({ home })).removed)).toEqual({ blob: 2 });
  expect((await make("gone", "2")).steps).toEqual({ total: 2, cached: 2 });
  await untag("gone");

  const old = new Date(Date.now() - 8 * 24 * 60 * 60 * 1000);
  for (const folder of ["cache/steps", "cache/latest", "cache/converted", "layers"]) {
    for (const name of await readdir(join(home, folder))) await utimes(join(home, folder, name), old, old);
  }
  const planned = await pruneStore({ home, dryRun: true });
  const { removed } = await pruneStore({ home });
  expect(removed).toEqual(planned.removed);
  expect(counts(removed)).toMatchObject({ blob: 4, "layer index": 2 });
  await readImage("kept");
  expect((await make("gone", "2")).steps.cached).toBe(0);
  await readImage("gone");
});

test("all leaves images alone, and nothing else", async () => {
  await make("kept", "1");
  await make("gone", "2");
  await untag("gone");
  await mkdir(join(home, "cache/mounts/id"), { recursive: true });
  await mkdir(join(home, "corrupt"), { recursive: true });
  await writeFile(join(home, "corrupt/damaged"), "x");
  await pruneStore({ home, all: true });
  await readImage("kept");
  expect(counts(await storeUsage({ home, all: true }))).toEqual({ blob: 4, "layer index": 2 });
  expect(await readdir(join(home, "trash"))).toEqual([]);
  expect((await storeUsage({ home, all: true })).every(({ reclaimable }) => reclaimable === 0)).toBe(true);
});

test("what a killed prune moved away is removed by the next", async () => {
  await make("kept", "1");
  await mkdir(join(home, "trash", randomUUID(), "snapshot"), { recursive: true });
  expect(counts((await pruneStore({ home })).removed)).toEqual({ leftover: 1 });
  expect(await readdir(join(home, "trash"))).toEqual([]);
});

test("builds that go on while others prune lose nothing", async () => {
  const done = new AbortController();
  const builders = Array.from({ length: 4 }, async (_, at) => {
    for (let round = 0; round < 8; round++) {
      // some share layers with others, some are all new; each name's last image is garbage afterwards
      await make(`app${at}`, `${round % 2 === 0 ? "shared" : `own ${at}`} ${round >> 1}`);
      await readImage(`app${at}`);
    }
  });
  let prunes = 0;
  const prune = async (): Promise<void> => {
    for (; !done.signal.aborted; prunes++) await pruneStore({ home, unusedFor: -1000, all: prunes % 2 === 0 });
  };
  const pruning = prune();
  await Promise.all(builders).finally(() => done.abort());
  await pruning;
  expect(prunes).toBeGreaterThan(0);
  for (let at = 0; at < 4; at++) await readImage(`app${at}`);
});
