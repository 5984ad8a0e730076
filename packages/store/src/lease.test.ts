import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { bundleChildProgram } from "@varve/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openStore } from "./open-store.ts";
import type { Store } from "./store.ts";

let root: string;
let store: Store;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "varve-lease-"));
  store = await openStore({ root });
});
afterEach(async () => {
  await store[Symbol.asyncDispose]();
  await rm(root, { recursive: true, force: true });
});

test("pruning waits for leases, says so once, and leaves no file behind", async () => {
  const leases = [await store.lease(), await store.lease()];
  const told: string[] = [];
  const pruned = store.whileUnleased(async () => void told.push("pruned"), { onWait: () => told.push("waiting") });
  for (const lease of leases) {
    await sleep(300);
    expect(told).toEqual(["waiting"]);
    await lease[Symbol.asyncDispose]();
  }
  await pruned;
  expect(told).toEqual(["waiting", "pruned"]);
  expect(await readdir(join(root, "leases"))).toEqual([]);
});

test("a lease that is wanted while something is pruned waits, but not for a prune that waits itself", async () => {
  const first = await store.lease();
  const told: string[] = [];
  const pruned = store.whileUnleased(async () => {
    told.push("begins");
    await sleep(300);
    told.push("ends");
  });
  const second = await store.lease();
  await Promise.all([first, second].map((lease) => lease[Symbol.asyncDispose]()));
  while (told.length === 0) await sleep(5);
  const third = await store.lease();
  expect(told).toEqual(["begins", "ends"]);
  await third[Symbol.asyncDispose]();
  await pruned;
});

test("a signal ends the waiting", async () => {
  await using _lease = await store.lease();
  await expect(store.whileUnleased(async () => {}, { signal: AbortSignal.timeout(100) })).rejects.toMatchObject({ name: "AbortError" });
});

test("a lease ends with its process, and so does a prune", async () => {
  const child = await bundleChildProgram(fileURLToPath(new URL("shared-store.child.ts", import.meta.url)), root);
  for (const [action, sign] of [
    ["holdLease", "leased"],
    ["holdGate", "alone"],
  ] as const) {
    const run = child.start(root, action);
    await run.printed(sign);
    run.process.kill("SIGKILL");
    await run.ended;
    expect(await readdir(join(root, "leases"))).toHaveLength(1);
    if (action === "holdGate") await (await store.lease())[Symbol.asyncDispose]();
    else await store.whileUnleased(async () => {});
    expect(await readdir(join(root, "leases"))).toEqual([]);
  }
});
