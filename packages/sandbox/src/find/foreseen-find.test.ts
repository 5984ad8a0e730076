import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startFind } from "./find-listing.ts";
import { foreseeFind } from "./foreseen-find.ts";

let space: string;
let root: string;
beforeAll(() => {
  space = realpathSync(mkdtempSync(join(tmpdir(), "varve-foreseen-")));
  root = join(space, "root");
  mkdirSync(join(root, "out"), { recursive: true });
  writeFileSync(join(root, "a"), "a");
  writeFileSync(join(root, "out/b"), "b");
});
afterAll(() => rmSync(space, { recursive: true, force: true }));

async function list(prunedPaths: readonly string[]): Promise<{ readonly began: number; readonly digest: string | undefined; readonly count: number }> {
  await using run = startFind(root, { prunedPaths, spool: space });
  const listing = await run.listing;
  return { began: run.began, digest: listing?.digest, count: [...(listing?.entries() ?? [])].length };
}

describe.skipIf(process.platform !== "linux")("a listing that was foreseen", () => {
  it("is the one that is asked for, if that is just the same", async () => {
    const plain = await list(["out"]);
    const foreseen = foreseeFind(JSON.parse(JSON.stringify({ directory: root, prunedPaths: ["out"] })), space);
    await sleep(20);
    const asked = Date.now();
    const first = await list(["out"]);
    expect(first.began).toBeLessThan(asked);
    expect(first).toEqual({ ...plain, began: first.began });
    expect(foreseen.asked).toEqual({ directory: root, prunedPaths: ["out"], prunedNames: [] });
    // a second one is begun when it is asked for
    expect((await list(["out"])).began).toBeGreaterThanOrEqual(asked);
    foreseen.end();
  });

  it("is ended where something else is asked for", async () => {
    const foreseen = foreseeFind({ directory: root, prunedPaths: ["out"] }, space);
    await sleep(20);
    const asked = Date.now();
    const other = await list([]);
    expect(other.began).toBeGreaterThanOrEqual(asked);
    expect(other.count).toBe(3);
    expect(foreseen.asked?.prunedPaths).toEqual([]);
  });

  it.each([
    undefined,
    null,
    "text",
    {},
    { directory: "relative" },
    { directory: "/", prunedPaths: "x" },
    { directory: "/", prunedNames: [1] },
    { directory: "/\0" },
  ])("is nothing for %j", async (expected) => {
    foreseeFind(expected, space);
    expect((await list([])).count).toBe(3);
  });

  it("costs nothing where nobody asks, nor where there is no room for it", async () => {
    foreseeFind({ directory: root }, space).end();
    foreseeFind({ directory: root }, join(space, "none")).end();
    expect((await list([])).count).toBe(3);
  });
});
