import { mkdirSync, mkdtempSync, rmSync, utimesSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { doubtfulSnapshots } from "./doubtful-snapshots.ts";

const MINUTE = 60_000;
let snapshots = "";
let work = "";
beforeAll(() => {
  snapshots = mkdtempSync(join(tmpdir(), "varve-doubtful-"));
  work = join(snapshots, "work");
  for (const path of [join(snapshots, "one"), work]) mkdirSync(path);
});
afterAll(() => rmSync(snapshots, { recursive: true, force: true }));

/** Of a snapshot made now: `alive` is the last sign of life and `started` the machine's start, in minutes from now. */
function doubtful(alive: number, started: number): readonly string[] {
  const now = Date.now();
  utimesSync(work, new Date(now + alive * MINUTE), new Date(now + alive * MINUTE));
  return doubtfulSnapshots(snapshots, work, now + started * MINUTE);
}

it("trusts what was made since the machine started", () => expect(doubtful(0, -10)).toEqual([]));
it("doubts what was made shortly before the last sign of life, or after it", () => {
  expect(doubtful(1, 10)).toEqual(["one"]);
  expect(doubtful(-1, 10)).toEqual(["one"]);
});
it("trusts what had time to get to the disk", () => expect(doubtful(6, 10)).toEqual([]));
it("doubts nothing in a folder that is new", () => expect(doubtfulSnapshots(snapshots, join(snapshots, "none"))).toEqual([]));
