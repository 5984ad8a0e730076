import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { truncate } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createWorkspace, type Workspace } from "./varve.ts";

let space: Workspace;
beforeAll(async () => {
  space = await createWorkspace();
});
afterAll(async () => {
  await space[Symbol.asyncDispose]();
});

/** Builds a folder; gives the peak resident memory of the program, in MiB. */
async function peakOf(folder: string): Promise<number> {
  const peak = join(space.root, "peak");
  const hook = join(space.root, "hook.cjs");
  writeFileSync(hook, `process.on("exit", () => require("node:fs").writeFileSync(${JSON.stringify(peak)}, String(process.resourceUsage().maxRSS)))`);
  await space.ok(["build", "-q", folder], { env: { NODE_OPTIONS: `--require ${hook}` } });
  return Number(readFileSync(peak, "utf8")) / 1024;
}

const HOUR = 3_600_000;

test("a layer of 20 GiB goes through under 256 MiB", { timeout: HOUR }, async () => {
  const folder = await space.files("large", { Dockerfile: "FROM scratch\nCOPY file /file\n", file: "" });
  await truncate(join(folder, "file"), 20 * 2 ** 30);
  const peak = await peakOf(folder);
  console.log(`20 GiB: ${peak.toFixed(0)} MiB`);
  expect(peak).toBeLessThan(256);
});

test("a layer of 1,000,000 files goes through under 512 MiB", { timeout: HOUR }, async () => {
  const folder = await space.files("many", { Dockerfile: "FROM scratch\nCOPY files /files\n" });
  for (let i = 0; i < 10_000; i++) {
    const directory = join(folder, `files/d${i % 100}/e${i}`);
    mkdirSync(directory, { recursive: true });
    // a promise each would take a quarter of an hour
    for (let j = 0; j < 100; j++) writeFileSync(join(directory, `file-number-${j}.js`), "");
  }
  const peak = await peakOf(folder);
  console.log(`1,000,000 files: ${peak.toFixed(0)} MiB`);
  expect(peak).toBeLessThan(512);
});

test("a tar of 1,000,000 entries that ADD unpacks goes through under 512 MiB", { timeout: HOUR }, async () => {
  const folder = await space.files("unpacked", { Dockerfile: "FROM scratch\nADD many.tar /files\n" });
  execFileSync("tar", ["-cf", join(folder, "many.tar"), "-C", join(space.root, "many/files"), "."]);
  const peak = await peakOf(folder);
  console.log(`ADD of 1,000,000 entries: ${peak.toFixed(0)} MiB`);
  expect(peak).toBeLessThan(512);
});
