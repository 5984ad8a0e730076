import { execFileSync } from "node:child_process";
import { chmodSync, linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseIgnore } from "@varve/dockerfile";
import { type FindListing, startFind } from "@varve/sandbox";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { listDirectory, type ListOptions, rootBytes } from "./directory-walk.ts";
import { foundFingerprint, listFound, prunedByFind } from "./found-listing.ts";
import type { Listing } from "./listing.ts";

const linux = process.platform === "linux";
const isRoot = process.getuid?.() === 0;
let space: string;
let root: string;

const path = (name: string): Buffer => Buffer.concat([Buffer.from(`${root}/`), Buffer.from(name, "latin1")]);
function write(name: string, content = name): void {
  mkdirSync(path(dirname(name)), { recursive: true });
  writeFileSync(path(name), content);
}

beforeAll(() => {
  space = mkdtempSync(join(tmpdir(), "varve-found-"));
  root = join(space, "root");
  const names = [
    "a",
    "b/c",
    "b/c.log",
    "b.d/x",
    "b-c/y",
    "node_modules/m",
    "b/node_modules/m/n",
    "-name",
    "-exec/rm",
    "*",
    "[a]/f",
    "back\\slash",
    ".git/HEAD",
  ];
  for (const name of names) write(name);
  for (const name of ["new\nline\n", "\xff\xfe/\x80", "tab\t", "sp ace ", "\xc3\xa9", "%s %P \\0"]) write(name);
  mkdirSync(path("empty"));
  symlinkSync("a", path("link"));
  symlinkSync(Buffer.from("to\nno\xffwhere", "latin1"), path("dangling"));
  symlinkSync("../..", path("b/up"));
  linkSync(path("a"), path("b/hardlink"));
  write("large", "");
  execFileSync("truncate", ["-s", "5G", path("large").toString()]);
  execFileSync("mkfifo", [path("fifo").toString()]);
  if (isRoot) execFileSync("mknod", [path("device").toString(), "c", "1", "3"]);
  chmodSync(path("a"), 0o7751);
  utimesSync(path("b"), 0, 0.123456789);
  utimesSync(path("b/c"), 4_000_000_000, 4_294_967_296.5);
  write(`${"d/".repeat(300)}deep`);
});
afterAll(() => rmSync(space, { recursive: true, force: true }));

async function find(options: ListOptions): Promise<FindListing | undefined> {
  const pruned = prunedByFind(root, options);
  if (pruned === undefined) return undefined;
  await using run = startFind(root, { ...pruned, spool: space });
  const listing = await run.listing;
  // read while it is open
  const entries = listing?.entries();
  return listing === undefined ? undefined : { ...listing, entries: () => entries };
}

function rowsOf(listing: Listing | undefined): unknown {
  if (listing === undefined) return undefined;
  const rows = [...listing.tree(rootBytes(root)).walk()].map(({ content, ...entry }) => ({ ...entry, content: content?.kind }));
  return { rows, fingerprint: listing.fingerprint(), newest: listing.newest() };
}

async function expectSame(options: ListOptions): Promise<void> {
  const found = await find(options);
  if (found !== undefined) expect(rowsOf(listFound(root, found, options))).toEqual(rowsOf(await listDirectory(root, options)));
}

describe.skipIf(!linux)("find", () => {
  test("lists what a walk lists, whatever the names and types", async () => {
    expect(await find({})).toBeDefined();
    await expectSame({});
    await expectSame({ hidden: [join(root, "b"), join(root, "no")] });
  });

  test("with any ignore file", async () => {
    const part = fc.constantFrom(
      "a",
      "b",
      "c",
      "*",
      "**",
      "*.log",
      "b*",
      "node_modules",
      ".git",
      "m",
      "[a]",
      "[[]a]",
      "back\\\\slash",
      "\\*",
      "d",
      "-name",
      "?",
    );
    const rule = fc.tuple(fc.constantFrom("", "", "", "!"), fc.array(part, { minLength: 1, maxLength: 3 })).map(([not, parts]) => `${not}${parts.join("/")}`);
    await fc.assert(
      fc.asyncProperty(fc.array(rule, { minLength: 1, maxLength: 4 }), async (rules) => {
        await expectSame({ ignore: parseIgnore(rules.join("\n")) });
      }),
      { numRuns: 60 },
    );
  });

  test("is not asked where it would enter what a walk leaves out", () => {
    const pruned = (text: string): unknown => prunedByFind(root, { ignore: parseIgnore(text) });
    expect(pruned(".git\n**/node_modules\nb/c\n**/*.log")).toEqual({ prunedPaths: [".git", "node_modules", "b/c"], prunedNames: ["node_modules"] });
    expect(pruned("*\n!a\n!b")).toEqual({ prunedPaths: expect.arrayContaining([".git", "node_modules", "d"]), prunedNames: [] });
    expect(pruned("b/*/n")).toBeUndefined();
    expect(pruned("b/node_modules\n!b/node_modules/m")).toBeUndefined();
    expect(prunedByFind(root, { hidden: [join(root, "b"), space, root] })).toEqual({ prunedPaths: ["b"] });
  });

  test("tells a change by its digest, and nothing else", async () => {
    const digest = async (options: ListOptions = {}): Promise<unknown> => {
      const found = await find(options);
      return found === undefined ? undefined : foundFingerprint(found, options);
    };
    const before = await digest();
    expect(await digest()).toBe(before);
    expect(await digest({ ignore: parseIgnore("x") })).not.toBe(before);
    write("empty/new");
    const after = await digest();
    expect(after).not.toBe(before);
    rmSync(path("empty/new"));
    expect(await digest()).not.toBe(after);
  });

  test("leaves to the walk what it can't tell", async () => {
    execFileSync("touch", ["-d", "@-5.25", join(root, "tab\t")]);
    const found = await find({});
    expect(found).toBeDefined();
    expect(found === undefined ? null : listFound(root, found, {})).toBeUndefined();
    utimesSync(path("tab\t"), 5, 5);
    await expectSame({});
  });

  test.skipIf(isRoot)("leaves to the walk what it can't enter", async () => {
    chmodSync(path("empty"), 0);
    expect(await find({})).toBeUndefined();
    chmodSync(path("empty"), 0o755);
  });
});
