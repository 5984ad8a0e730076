import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { appendFile, chmod, link, mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, truncate, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { build } from "../build.ts";
import type { BuildOptions } from "../build-options.ts";

let root: string;
let context: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "varve-replay-"));
  context = join(root, "context");
  for (const [path, text] of files()) await put(path, text);
  await symlink("../d1/f11", join(context, "d2/link"));
  await mkdir(join(context, "empty"));
  await writeFile(join(context, "large"), Buffer.alloc(3 * 1024 * 1024 + 77, "large"));
  await truncate(join(context, "sparse"), 2 * 1024 * 1024).catch(() => writeFile(join(context, "sparse"), Buffer.alloc(2 * 1024 * 1024)));
  await age();
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** Enough that listings are kept. */
function* files(): Generator<[string, string]> {
  for (let i = 0; i < 560; i++) yield [`d${i % 7}/${i % 5 === 0 ? "ünï/" : ""}f${i}`, `${i} `.repeat((i * 37) % 400)];
}

async function put(path: string, text: string): Promise<void> {
  await mkdir(dirname(join(context, path)), { recursive: true });
  await writeFile(join(context, path), text);
}

/** Waits until what was written is trusted. */
async function age(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 1600));
}

const COPIES = [
  "COPY . /app",
  "COPY --chown=5:6 --chmod=u=rwX,go=rX d1 /x/",
  "COPY --exclude=*/f3* --link . /",
  "COPY --parents d1/ünï d2 /p/",
  "COPY d3 /app\nCOPY d4 /app/d3/",
];

async function digestOf(copy: string, home: string, options: Partial<BuildOptions> = {}): Promise<string> {
  const dockerfile = `# syntax=docker/dockerfile:1-labs\nFROM scratch\n${copy}`;
  return (await build({ context, dockerfile, home: join(root, home), sourceDateEpoch: 1_700_000_000, ...options })).descriptor.digest;
}

/** Whether a build of a touched file is told by the key that is in `home`. */
async function isCached(copy: string, home: string): Promise<boolean> {
  const { steps } = await build({ context, dockerfile: `FROM scratch\n${copy}`, home: join(root, home), sourceDateEpoch: 1_700_000_000 });
  return steps.cached === steps.total;
}

const at = (path: string): string => join(context, path);

/** What is done between two builds, and whether the last one's files are trusted by then. */
const ROUNDS: readonly [string, boolean, () => Promise<unknown>][] = [
  ["same size, grown", true, async () => [await put("d1/f1", "X ".repeat(37)), await appendFile(at("d1/f8"), "more ".repeat(400))]],
  ["emptied, filled", false, async () => [await truncate(at("d2/f2"), 0), await put("d0/ünï/f0", "no longer empty")]],
  ["once more at once, touched", true, async () => [await put("d0/ünï/f0", "no longer EMPTY"), await utimes(at("d3/f3"), 1e9, 1e9)]],
  ["large, sparse", true, async () => [await appendFile(at("large"), Buffer.alloc(1_000_000)), await truncate(at("sparse"), 5 * 1024 * 1024 + 3)]],
  ["saved by another name", true, async () => [await put("d4/new", "saved"), await rename(at("d4/new"), at("d4/f4")), await utimes(at("d5"), 1e9, 1e9)]],
  ["mode", false, () => chmod(at("d1/f8"), 0o751)],
  ["added, removed", false, async () => [await put("d1/added", "new"), await rm(at("d2/f9"))]],
  ["renamed, linked", true, async () => [await rename(at("d1/added"), at("d1/ünï/moved")), await link(at("d6/f6"), at("d6/f6b"))]],
  ["another type", true, async () => [await rm(at("d6/f6b")), await symlink("f6", at("d6/f6b"))]],
  ["many", false, async () => Promise.all([1, 2, 3, 4, 6, 7, 8, 9, 11, 12, 13].map((i) => put(`d${i % 7}/f${i}`, `many ${i}`)))],
  ["ignored", false, () => put(".dockerignore", "**/f16\n")],
];

test("gives the image that a build in an empty store gives", async () => {
  for (const copy of COPIES) await digestOf(copy, "kept");
  for (const [round, [edit, isTrusted, work]] of ROUNDS.entries()) {
    await work();
    if (isTrusted) await age();
    for (const copy of COPIES.filter((_, i) => i === 0 || i === 1 + (round % 4))) {
      const replayed = await digestOf(copy, "kept", { noCache: true });
      expect([edit, copy, replayed]).toEqual([edit, copy, await digestOf(copy, "fresh")]);
    }
    await rm(join(root, "fresh"), { recursive: true });
  }
}, 120_000);

test("keys are those of a build that reads all", async () => {
  await digestOf("COPY . /k", "keys");
  await utimes(join(context, "d3/f17"), 1_600_000_001, 1_600_000_001);
  expect(await isCached("COPY . /k", "keys")).toBe(true);
  await put("d3/f17", "other");
  expect(await isCached("COPY . /k", "keys")).toBe(false);
  expect(await listings("keys")).toHaveLength(1);
}, 60_000);

test("makes keys of what was kept", async () => {
  await digestOf("COPY d0 /o", "outline");
  const [file = ""] = await listings("outline");
  // the same files with another outline have another key
  const kept = await readFile(file);
  const outline = kept.indexOf('"outline":"sha256:') + 18;
  kept.write(kept.toString("latin1", outline, outline + 1) === "0" ? "1" : "0", outline);
  createHash("sha256").update(kept.subarray(0, 40)).update(kept.subarray(80)).digest().copy(kept, 40);
  await writeFile(file, kept);
  await utimes(at("d0/f7"), 1e9, 1e9);
  expect(await isCached("COPY d0 /o", "outline")).toBe(false);
  await rm(file);
  await utimes(at("d0/f7"), 2e9, 2e9);
  expect(await isCached("COPY d0 /o", "outline")).toBe(true);
}, 60_000);

test("a file that is not what was kept costs time only", async () => {
  await digestOf("COPY . /damaged", "damaged");
  for (const damage of [
    (bytes: Buffer) => bytes.subarray(0, 100),
    (bytes: Buffer) => (bytes.writeUInt8(bytes.readUInt8(2000) ^ 1, 2000), bytes),
    () => Buffer.alloc(0),
  ]) {
    const [file = ""] = await listings("damaged");
    await writeFile(file, damage(await readFile(file)));
    await appendFile(join(context, "d5/f5"), "!");
    expect(await digestOf("COPY . /damaged", "damaged")).toBe(await digestOf("COPY . /damaged", "sound"));
    await rm(join(root, "sound"), { recursive: true });
  }
  // the layer that it was made of is gone
  await rm(join(root, "damaged/layers"), { recursive: true });
  await appendFile(join(context, "d5/f5"), "!");
  expect(await digestOf("COPY . /damaged", "damaged")).toBe(await digestOf("COPY . /damaged", "sound"));
}, 60_000);

test("keeps so many listings of a context", async () => {
  for (let i = 0; i < 6; i++) await digestOf(`COPY . /many${i}`, "many");
  expect(await listings("many")).toHaveLength(4);
}, 60_000);

async function listings(home: string): Promise<readonly string[]> {
  const folder = join(root, home, "contexts");
  return existsSync(folder) ? (await readdir(folder)).filter((name) => name.endsWith(".listing")).map((name) => join(folder, name)) : [];
}
