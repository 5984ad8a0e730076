import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { bundleChildProgram, type ChildProgram, type ChildProgramRun, describeWithTools } from "@varve/testkit";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { openStore, type Store } from "./index.ts";

let folder: string;
let child: ChildProgram;
let store: Store;
let runs: ChildProgramRun[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "varve-shared-"));
  child = await bundleChildProgram(fileURLToPath(new URL("shared-store.child.ts", import.meta.url)), folder);
});
afterAll(() => rm(folder, { recursive: true, force: true }));
beforeEach(async () => {
  runs = [];
  store = await openStore({ root: join(folder, "store") });
});
afterEach(async () => {
  await Promise.all(runs.map(kill));
  await store[Symbol.asyncDispose]();
  await rm(join(folder, "store"), { recursive: true, force: true });
});

function start(...args: readonly string[]): ChildProgramRun {
  const run = child.start(store.root, ...args);
  runs.push(run);
  return run;
}

async function kill(run: ChildProgramRun): Promise<void> {
  run.process.kill("SIGKILL");
  await run.ended;
}

/** Every blob is whole, read-only and under its own name; every ref leads to one. */
async function expectSound(): Promise<void> {
  const blobs = join(store.root, "blobs", "sha256");
  for (const name of await readdir(blobs)) {
    expect(
      createHash("sha256")
        .update(await readFile(join(blobs, name)))
        .digest("hex"),
    ).toBe(name);
  }
  for (const ref of await store.refs()) expect(await store.has(ref.descriptor)).toBe(true);
}

async function ingestSessions(): Promise<readonly string[]> {
  return (await readdir(join(store.root, "ingest"))).filter((name) => !name.includes(".")).toSorted();
}

async function expectFree(name: string, mode: "shared" | "exclusive"): Promise<void> {
  await (await store.lock(name, mode))[Symbol.asyncDispose]();
}

/** A held lock never comes, however long one waits; a few tries show it. */
async function expectHeld(name: string, mode: "shared" | "exclusive"): Promise<void> {
  await expect(store.lock(name, mode, { signal: AbortSignal.timeout(200) })).rejects.toThrow(/abort/i);
}

describe("locks between processes", () => {
  test("an exclusive one excludes, until kill -9 frees it", async () => {
    const holder = start("holdLock", "x");
    await holder.printed("locked");
    await expectHeld("x", "exclusive");
    await expectHeld("x", "shared");
    await expectFree("y", "exclusive");
    const waiting = store.lock("x", "exclusive");
    await kill(holder);
    await (await waiting)[Symbol.asyncDispose]();
  });

  test("shared ones exclude exclusive ones only", async () => {
    const holders = [start("holdLock", "x", "shared"), start("holdLock", "x", "shared")];
    await Promise.all(holders.map((holder) => holder.printed("locked")));
    await expectFree("x", "shared");
    await expectHeld("x", "exclusive");
    await Promise.all(holders.map(kill));
    await expectFree("x", "exclusive");
  });

  test("within one process too, and in turn", async () => {
    let inside = 0;
    const turns = Array.from({ length: 10 }, async () => {
      await using _lock = await store.lock("x", "exclusive");
      expect(++inside).toBe(1);
      await sleep(1);
      inside--;
    });
    await Promise.all(turns);
  });
});

describe("unfinished blobs", () => {
  test("of a live process stay, of a killed one are swept", async () => {
    const [dead, alive] = [start("unfinished"), start("unfinished")];
    await Promise.all([dead.printed("unfinished"), alive.printed("unfinished")]);
    expect(await ingestSessions()).toHaveLength(2);
    await kill(dead);
    await (await store.ingest()).abort();
    // the live one's and our own
    expect(await ingestSessions()).toHaveLength(2);
    await kill(alive);
    await store[Symbol.asyncDispose]();
    store = await openStore({ root: store.root });
    await (await store.ingest()).abort();
    expect(await ingestSessions()).toHaveLength(1);
    expect(await readdir(join(store.root, "blobs", "sha256"))).toEqual([]);
  });
});

describe("several processes at once", () => {
  test("no ref is lost, one blob is stored once", async () => {
    const names = ["a", "b", "c"];
    const ends = await Promise.all(names.map((name) => start("tagMany", name).ended));
    expect(ends.map((end) => [end.status, end.stderr])).toEqual(names.map(() => [0, ""]));
    expect(await store.refs()).toHaveLength(30);
    expect(await readdir(join(store.root, "blobs", "sha256"))).toHaveLength(1);
    expect(await readdir(join(store.root, "ingest"))).toEqual([]);
  });

  test("kill -9 at any moment leaves a sound store", async () => {
    for (let round = 0; round < 6; round++) {
      const pushers = ["a", "b"].map((name) => start("pushForever", name));
      await Promise.all(pushers.map((run) => run.printed("pushing")));
      await sleep(Math.random() * 60);
      await Promise.all(pushers.map(kill));
      await expectSound();
    }
    await (await store.ingest()).abort();
    expect(await ingestSessions()).toHaveLength(1);
    await expectFree("index.json", "exclusive");
  });
});

describeWithTools(["unshare", "mount"], "full disk", () => {
  test("is STORE_DISK_FULL, and what fits is stored afterwards", async (context) => {
    const mounted = 'mkdir -p "$1" && mount -t tmpfs -o size=2m tmpfs "$1" && exec "$2" "$3" "$1" fillDisk';
    const namespaces = process.getuid?.() === 0 ? "-m" : "-Urm";
    const run = spawnSync("unshare", [namespaces, "sh", "-c", mounted, "sh", join(folder, "disk"), process.execPath, child.path], { encoding: "utf8" });
    if (/not permitted|permission denied/i.test(run.stderr)) return context.skip("mounting is not allowed here");
    expect([run.stdout, run.stderr]).toEqual(["STORE_DISK_FULL 1\n", ""]);
  });
});
