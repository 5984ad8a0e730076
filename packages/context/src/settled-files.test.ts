import { appendFile, mkdir, mkdtemp, rename, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { collectBytes, displayPath, toBytePath } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { BuildContext } from "./context.ts";
import { openDirectoryContext } from "./directory-context.ts";
import { SETTLED_FILES_LIMIT } from "./settled-files.ts";

let root: string;
let context: BuildContext;
let warnings: string[];
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "varve-settled-"));
  warnings = [];
  context = await openDirectoryContext({ path: root, onWarning: (message) => warnings.push(message) });
});
afterEach(async () => {
  await context[Symbol.asyncDispose]();
  await rm(root, { recursive: true, force: true });
});

/** Digest and bytes of a file as the context has it now. */
async function read(path: string): Promise<{ readonly digest: string; readonly text: string; readonly size: number }> {
  const entry = (await context.tree()).lookup(toBytePath(path));
  if (entry?.content === undefined) throw new Error(`${path} is not in the tree`);
  const digest = await context.reader.digest(entry.content);
  const bytes = await collectBytes(await context.reader.open(entry.content), 1e9, () => new Error("too long"));
  return { digest, text: new TextDecoder().decode(bytes), size: entry.size };
}

async function failure(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => undefined,
    (error: unknown) => error,
  );
}

/** Reads a file that is not as listed; settles the context. */
async function settle(path: string): Promise<void> {
  const error = await failure(read(path));
  expect(error).toMatchObject({ code: "CONTEXT_CHANGED" });
  // as a step tells it
  expect(await context.settle?.(new VarveError("BUILD_RUN_FAILED", "a step failed", { cause: error }))).toBe(true);
}

describe("a file that is not as it was listed", () => {
  test("is what it was when it was read, whatever it becomes then", async () => {
    await writeFile(join(root, "log"), "one\n");
    await context.tree();
    await appendFile(join(root, "log"), "two\n");
    await settle("log");
    const first = await read("log");
    expect(first).toMatchObject({ text: "one\ntwo\n", size: 8 });
    await appendFile(join(root, "log"), "three\n");
    expect(await read("log")).toEqual(first);
    expect(warnings).toEqual(["log changed while the build was reading the context, and is taken as it was when it was read (8 bytes)"]);
  });

  test("may have shrunk, or be another file", async () => {
    await writeFile(join(root, "a"), "x".repeat(300_000));
    await writeFile(join(root, "b"), "old", { mode: 0o600 });
    await context.tree();
    await truncate(join(root, "a"), 5);
    await writeFile(join(root, "new"), "new one", { mode: 0o755 });
    await rename(join(root, "new"), join(root, "b"));
    await settle("a");
    await settle("b");
    expect(await read("a")).toMatchObject({ text: "xxxxx", size: 5 });
    expect(await read("b")).toMatchObject({ text: "new one" });
    expect((await context.tree()).lookup(toBytePath("b"))?.mode).toBe(0o755);
  });

  test("is left out when it is gone, or is no file any more", async () => {
    await mkdir(join(root, "d"));
    for (const name of ["a", "b", "d/c"]) await writeFile(join(root, name), "text");
    const outside = await mkdtemp(join(tmpdir(), "varve-outside-"));
    await writeFile(join(outside, "c"), "secret");
    await context.tree();
    await rm(join(root, "a"));
    await rm(join(root, "b"));
    await symlink("/etc/passwd", join(root, "b"));
    await rename(join(root, "d"), join(root, "moved"));
    await symlink(outside, join(root, "d"));
    for (const name of ["a", "b", "d/c"]) await settle(name);
    const tree = await context.tree();
    expect([...tree.walk()].map(({ path }) => displayPath(path))).toEqual(["", "d"]);
    expect([tree.size, [...tree.list(toBytePath(""))], [...tree.list(toBytePath("d"))]]).toEqual([2, ["d"], []]);
    expect(warnings).toContain("a went away while the build was reading the context, and is left out");
    await rm(outside, { recursive: true });
  });

  test("is an error past a number of files, and other errors are not about it", async () => {
    for (let at = 0; at <= SETTLED_FILES_LIMIT; at++) await writeFile(join(root, `f${at}`), "1");
    await context.tree();
    for (let at = 0; at <= SETTLED_FILES_LIMIT; at++) await writeFile(join(root, `f${at}`), "22");
    for (let at = 0; at < SETTLED_FILES_LIMIT; at++) await settle(`f${at}`);
    expect(await context.settle?.(await failure(read(`f${SETTLED_FILES_LIMIT}`)))).toBe(false);
    expect(await context.settle?.(new VarveError("CONTEXT_CHANGED", "something else changed"))).toBe(false);
  });
});
