import { expect, test } from "vitest";
import { compareListings } from "./row-changes.ts";

interface Row {
  readonly path: string;
  readonly type?: string;
  readonly mode?: string;
  readonly size?: number;
  readonly links?: number;
  readonly inode?: number;
  readonly ctime?: string;
}

function print(rows: readonly Row[]): { readonly bytes: Buffer; readonly starts: Uint32Array; readonly doubtful: Uint32Array } {
  const starts = [0];
  const texts = rows.map(({ path, type = "f", mode = "644", size = 3, links = 1, inode = 77, ctime = "1763759001.5000000000" }) => {
    const text = `${type}${mode} 0 0 ${size} ${links} 2049 ${inode} 1763759000.1234567890 ${ctime} ${path}\0\0`;
    starts.push((starts.at(-1) ?? 0) + Buffer.byteLength(text));
    return text;
  });
  return { bytes: Buffer.from(texts.join("")), starts: Uint32Array.from(starts), doubtful: new Uint32Array(0) };
}

const ROWS: readonly Row[] = Array.from({ length: 400 }, (_, i) => ({ path: `d${i % 7}/ü${i}`, inode: i, type: i % 9 === 0 ? "d" : "f" }));

function compare(change: (rows: Row[]) => void, limit = 100): readonly (readonly [number, boolean, number])[] | undefined {
  const rows = [...ROWS];
  change(rows);
  const later = print(rows);
  const found = compareListings(print(ROWS), later.bytes, limit);
  if (found !== undefined) expect(found.starts).toEqual(later.starts);
  return found?.changes.map(({ row, isAlike, entry }) => [row, isAlike, entry.size]);
}

const set =
  (row: number, change: Partial<Row>) =>
  (rows: Row[]): void => {
    rows[row] = { path: "", ...rows[row], ...change };
  };

test("finds the rows that differ, whatever their lengths", () => {
  expect(compare(() => {})).toEqual([]);
  expect(compare(set(0, { ctime: "1763759002.5000000000" }))).toEqual([[0, true, 3]]);
  expect(compare(set(399, { size: 123_456 }))).toEqual([[399, true, 123_456]]);
  const both = compare((rows) => [set(5, { size: 10_000_000 })(rows), set(6, { size: 0 })(rows), set(301, { size: 12, inode: 1_000_000 })(rows)]);
  expect(both).toEqual([
    [5, true, 10_000_000],
    [6, true, 0],
    [301, true, 12],
  ]);
});

test("tells what is not alike", () => {
  expect(compare(set(5, { mode: "755" }))).toEqual([[5, false, 3]]);
  expect(compare(set(5, { type: "l" }))).toEqual([[5, false, 3]]);
  expect(compare(set(5, { links: 2 }))).toEqual([[5, false, 3]]);
  expect(compare(set(9, { links: 2, size: 8192 }))).toEqual([[9, true, 8192]]);
  expect(compare(set(9, { inode: 5000 }))).toEqual([[9, false, 3]]);
});

test("gives up when rows came, went, moved, or too many changed", () => {
  expect(compare((rows) => rows.push({ path: "new" }))).toBeUndefined();
  expect(compare((rows) => rows.splice(0, 0, { path: "new" }))).toBeUndefined();
  expect(compare((rows) => rows.splice(17, 1))).toBeUndefined();
  expect(compare((rows) => rows.pop())).toBeUndefined();
  expect(compare((rows) => rows.reverse())).toBeUndefined();
  expect(compare(set(20, { path: "renamed" }))).toBeUndefined();
  expect(compare((rows) => rows.forEach((_, row) => set(row, { size: 4 })(rows)))).toBeUndefined();
  const earlier = print(ROWS);
  expect(compareListings(earlier, earlier.bytes.subarray(0, -1), 9)).toBeUndefined();
  expect(compareListings(earlier, Buffer.concat([earlier.bytes, Buffer.from("x")]), 9)).toBeUndefined();
});

test("rows that had just changed count as changed", () => {
  const earlier = { ...print(ROWS), doubtful: Uint32Array.of(3, 7) };
  const later = print(ROWS.map((row, i) => (i === 7 || i === 2 ? { ...row, size: 1234 } : row)));
  const found = compareListings(earlier, later.bytes, 9)?.changes.map(({ row, entry }) => [row, entry.size]);
  expect(found?.toSorted((a, b) => (a[0] ?? 0) - (b[0] ?? 0))).toEqual([
    [2, 1234],
    [3, 3],
    [7, 1234],
  ]);
});
