import { spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createFileLocks, type FileLocks } from "./file-locks.ts";
import { type Launcher, openLauncher } from "./launcher.ts";

let directory = "";
let launcher: Launcher;
let locks: FileLocks;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "varve-locks-"));
  launcher = await openLauncher([directory]);
  locks = createFileLocks(launcher.path);
});
afterAll(() => {
  launcher.close();
  rmSync(directory, { recursive: true, force: true });
});

const open = (name: string): number => openSync(join(directory, name), "a+");
/** Whether another process can lock it. */
const isFree = (name: string): boolean => spawnSync("flock", ["-x", "-n", join(directory, name), "true"]).status === 0;
const locked = async (name: string, mode: "shared" | "exclusive"): Promise<() => Promise<void>> => {
  const file = open(name);
  const free = await locks.tryLock(file, mode);
  if (free === undefined || free === false) throw new Error(`${name} was not locked`);
  return async () => {
    await free();
    closeSync(file);
  };
};

it("keeps others out until it is freed", async () => {
  const free = await locked("one", "exclusive");
  expect(isFree("one")).toBe(false);
  const other = open("one");
  expect(await locks.tryLock(other, "exclusive")).toBe(false);
  expect(await locks.tryLock(other, "shared")).toBe(false);
  await free();
  expect(isFree("one")).toBe(true);
  closeSync(other);
});
it("holds many, whose order of freeing is any, and shares", async () => {
  const names = ["a", "b", "c", "d", "e"];
  const frees = await Promise.all(names.map((name) => locked(name, "exclusive")));
  expect(names.map(isFree)).toEqual([false, false, false, false, false]);
  await frees[1]?.();
  await frees[3]?.();
  expect(names.map(isFree)).toEqual([false, true, false, true, false]);
  const shared = [await locked("b", "shared"), await locked("b", "shared")];
  expect(isFree("b")).toBe(false);
  for (const free of [...shared, ...frees.filter((_, i) => i !== 1 && i !== 3)]) await free();
  expect(names.every(isFree)).toBe(true);
});
it("says where it does not work, having locked nothing", async () => {
  expect(await locks.tryLock(9999, "exclusive")).toBeUndefined();
  expect(await createFileLocks("/proc/nonexistent/launcher").tryLock(0, "exclusive")).toBeUndefined();
  const free = await locked("after", "exclusive");
  await free();
});
it("frees all with its launcher", async () => {
  const other = await openLauncher([directory]);
  const file = open("last");
  expect(await createFileLocks(other.path).tryLock(file, "exclusive")).toBeTypeOf("function");
  other.close();
  while (!isFree("last")) await new Promise((resolve) => setTimeout(resolve, 5));
  closeSync(file);
});
