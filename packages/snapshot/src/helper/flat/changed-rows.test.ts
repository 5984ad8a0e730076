import { chmodSync, linkSync, lstatSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type FoundRows, startFind } from "@varve/sandbox";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { changedRows } from "./changed-rows.ts";

let space = "";
let root = "";
beforeAll(() => {
  space = mkdtempSync(join(tmpdir(), "varve-rows-"));
  root = join(space, "root");
  for (const directory of ["", "a", "b", "c"]) mkdirSync(join(root, directory));
  for (let i = 0; i < 60; i++) writeFileSync(join(root, "abc"[i % 3] ?? "", `file ${i}`), "");
  symlinkSync("of one\nline 1", join(root, "a/link 2"));
});
afterAll(() => rmSync(space, { recursive: true, force: true }));

async function rowsOf(): Promise<FoundRows> {
  await using run = startFind(root, { spool: space });
  const rows = (await run.listing)?.rows();
  if (rows === undefined) throw new Error("there is no GNU find");
  return rows;
}

const pathsOf = (rows: FoundRows, which: readonly number[]): readonly string[] => which.map((row) => rows.path(row)).toSorted();

describe("rows of find", () => {
  it("say what lstat says", async () => {
    linkSync(join(root, "b/file 1"), join(root, "b/again"));
    const rows = await rowsOf();
    const paths = Array.from({ length: rows.count }, (_, row) => rows.path(row));
    expect(paths).toHaveLength(65);
    expect(new Set(paths).has("a/link 2" as never)).toBe(true);
    for (const [row, path] of paths.entries()) expect(rows.changed(row)).toBe(lstatSync(join(root, path)).ctimeMs);
    expect(rows.newest).toBe(Math.max(...paths.map((path) => lstatSync(join(root, path)).ctimeMs)));
    expect(pathsOf(rows, rows.linked)).toEqual(["b/again", "b/file 1"]);
  });
});

describe("changedRows", () => {
  it("finds nothing where nothing changed", async () => expect(changedRows(await rowsOf(), await rowsOf())).toEqual([]));
  it("finds what was changed, added, replaced, and the directories of what is gone", async () => {
    const before = await rowsOf();
    chmodSync(join(root, "a/file 0"), 0o600);
    unlinkSync(join(root, "a/file 3"));
    writeFileSync(join(root, "a/file 33"), "longer");
    writeFileSync(join(root, "b/new"), "");
    renameSync(join(root, "b/file 4"), join(root, "b/file 7"));
    mkdirSync(join(root, "d"));
    for (let i = 0; i < 40; i++) writeFileSync(join(root, "d", String(i)), "");
    const after = await rowsOf();
    const added = Array.from({ length: 40 }, (_, i) => `d/${i}`);
    expect(pathsOf(after, changedRows(before, after))).toEqual(["a", "a/file 0", "a/file 33", "b", "b/file 7", "b/new", "d", ...added].toSorted());
    const back = changedRows(after, before);
    expect(pathsOf(before, back)).toEqual(["a", "a/file 0", "a/file 3", "a/file 33", "b", "b/file 4", "b/file 7"]);
  });
  it("finds what differs in any pair of listings", async () => {
    const [all, none] = [await rowsOf(), { ...(await rowsOf()), count: 0 }];
    expect(changedRows(none, all)).toHaveLength(all.count);
    expect(changedRows(all, none)).toEqual([]);
  });
});
