import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BytePath } from "@varve/bytes";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { UpperEntry } from "./upper-entry.ts";
import { walkUpper } from "./upper-walk.ts";

let base = "";
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "varve-walk-"));
  for (const name of ["upper", "merged"]) mkdirSync(join(base, name));
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

async function walk(): Promise<{ entries: UpperEntry[]; sockets: string[] }> {
  const [entries, sockets]: [UpperEntry[], string[]] = [[], []];
  const walked = walkUpper({ upper: join(base, "upper"), merged: join(base, "merged"), onSocket: (path) => sockets.push(path) });
  for await (const entry of walked) entries.push(entry);
  return { entries, sockets };
}

it("gives parents first, siblings by bytes, with the merged names of directories", async () => {
  for (const root of ["upper", "merged"]) {
    for (const name of ["a", "a/z", "a.b"]) mkdirSync(join(base, root, name));
    writeFileSync(Buffer.from(`${base}/${root}/a/\xff`, "latin1"), "bytes");
  }
  mkdirSync(join(base, "merged", "lower"));
  const { entries } = await walk();
  expect(entries.map(({ path, names }) => [path, names?.toSorted()])).toEqual([
    ["", ["a", "a.b", "lower"]],
    ["a", ["z", "\xff"]],
    ["a/z", []],
    ["a/\xff", undefined],
    ["a.b", []],
  ]);
});

it("rounds times down, before 1970 too, and tells hardlinks", async () => {
  const upper = join(base, "upper");
  writeFileSync(join(upper, "f"), "12345");
  linkSync(join(upper, "f"), join(upper, "g"));
  symlinkSync("\u00fc", join(upper, "l"));
  // as a date, since Node takes a negative number for now
  utimesSync(join(upper, "f"), new Date(0), new Date(-1500));
  const { entries } = await walk();
  const [, f, g, l] = entries;
  expect(f).toMatchObject({ type: "file", size: 5, mtime: -2 });
  expect(f?.inode).toBeDefined();
  expect(g?.inode).toBe(f?.inode);
  expect(l).toMatchObject({ type: "symlink", target: "\xc3\xbc" as BytePath, size: 0 });
  expect(l?.inode).toBeUndefined();
});

it("leaves sockets out, also of the names, and tells where they are", async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(join(base, "upper/s"), resolve));
  writeFileSync(join(base, "merged/s"), "");
  writeFileSync(join(base, "merged/t"), "");
  const { entries, sockets } = await walk();
  server.close();
  expect(entries).toMatchObject([{ path: "", names: ["t"] }]);
  expect(sockets).toEqual(["s"]);
});
