import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openStore, type Store } from "@varve/store";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createStepFlock, type StepFlock } from "./step-flock.ts";

let root = "";
let store: Store;
let flock: StepFlock;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "varve-flock-"));
  store = await openStore({ root });
  flock = createStepFlock(root);
});
afterAll(async () => {
  await flock[Symbol.asyncDispose]();
  await store[Symbol.asyncDispose]();
  rmSync(root, { recursive: true, force: true });
});

it("locks as the flock program does, for both", async () => {
  const held = await store.tryLock("x", "exclusive", flock.lock);
  expect(held?.name).toBe("x");
  expect(await store.tryLock("x", "exclusive")).toBeUndefined();
  expect(await store.tryLock("x", "shared", flock.lock)).toBeUndefined();
  await held?.[Symbol.asyncDispose]();
  const other = await store.tryLock("x", "exclusive");
  expect(await store.tryLock("x", "exclusive", flock.lock)).toBeUndefined();
  await other?.[Symbol.asyncDispose]();
  await (await store.tryLock("x", "exclusive", flock.lock))?.[Symbol.asyncDispose]();
});
it("leaves it to the program where no launcher can be started", async () => {
  const none = createStepFlock("/proc/nonexistent");
  const before = process.env["TMPDIR"];
  process.env["TMPDIR"] = "/proc/nonexistent";
  try {
    const held = await store.tryLock("y", "exclusive", none.lock);
    expect(await store.tryLock("y", "exclusive", flock.lock)).toBeUndefined();
    await held?.[Symbol.asyncDispose]();
  } finally {
    if (before === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = before;
    await none[Symbol.asyncDispose]();
  }
});
