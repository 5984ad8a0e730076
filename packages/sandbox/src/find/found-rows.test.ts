import { expect, it } from "vitest";
import { findRows } from "./found-rows.ts";

const ROW = "f644 0 0 3 1 2049 77 1763759000.1234567890 1763759001.5000000000 a b\0\0";

it("finds rows as find prints them", () => {
  const rows = findRows(Buffer.from(`${ROW}d755 0 0 4096 2 2049 78 1763759000.1234567890 1763759000.0000000000 d\0\0`));
  expect([rows?.count, rows?.path(0), rows?.path(1), rows?.changed(0), rows?.newest, rows?.linked]).toEqual([2, "a b", "d", 1763759001500, 1763759001500, []]);
  expect(findRows(Buffer.alloc(0))?.count).toBe(0);
});
it.each(["x", "\0\0\0\0", ROW.slice(0, -1), ROW.replace("01.5000000000", "01"), ROW.replaceAll(".", ","), "no row\0\0"])("takes nothing else: %j", (text) =>
  expect(findRows(Buffer.from(text, "latin1"))).toBeUndefined(),
);
