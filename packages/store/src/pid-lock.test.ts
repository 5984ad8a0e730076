import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { tryPidLock } from "./pid-lock.ts";

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "varve-pid-lock-"));
  path = join(folder, "x");
});
afterEach(async () => {
  vi.useRealTimers();
  await rm(folder, { recursive: true });
});

/** Our own lock's text, with another process id. */
async function heldBy(pid: number, startTime?: string): Promise<void> {
  const lock = await tryPidLock(path);
  const [where, , started] = (await readFile(`${path}.held`, "utf8")).split(" ");
  await lock?.release();
  await writeFile(`${path}.held`, `${where} ${pid} ${startTime ?? started}`);
}

test("excludes until it is released, and leaves nothing", async () => {
  const lock = await tryPidLock(path);
  expect(lock).toBeDefined();
  expect(await tryPidLock(path)).toBeUndefined();
  await lock?.release();
  expect(await readdir(folder)).toEqual([]);
  await (await tryPidLock(path))?.release();
});

test("a holder that is gone is pushed aside", async () => {
  const child = spawn(process.execPath, ["-e", ""]);
  const pid = child.pid ?? 0;
  await once(child, "close");
  await heldBy(pid);
  expect(await tryPidLock(path)).toBeUndefined();
  const lock = await tryPidLock(path);
  expect(lock).toBeDefined();
  await lock?.release();
  expect(await readdir(folder)).toEqual([]);
});

test("so is one whose process id another process has now", async () => {
  await heldBy(process.pid, "1");
  expect(await tryPidLock(path)).toBeUndefined();
  expect(await tryPidLock(path)).toBeDefined();
});

test("one that runs elsewhere is waited for, then reported", async () => {
  vi.useFakeTimers({ toFake: ["performance"] });
  await writeFile(`${path}.held`, "elsewhere 1 1");
  expect(await tryPidLock(path)).toBeUndefined();
  vi.advanceTimersByTime(29_000);
  expect(await tryPidLock(path)).toBeUndefined();
  vi.advanceTimersByTime(2_000);
  await expect(tryPidLock(path)).rejects.toMatchObject({ code: "STORE_LOCKED" });
});
