import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  baseName,
  bytePathFromBytes,
  bytePathToBytes,
  cleanPath,
  comparePaths,
  displayPath,
  joinPath,
  parentPath,
  pathComponents,
  toBytePath,
} from "./byte-path.ts";

test("any bytes survive", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 20_000 }), (bytes) => {
      expect(bytePathToBytes(bytePathFromBytes(bytes))).toEqual(bytes);
    }),
  );
});

test("text becomes its UTF-8 bytes and is shown as text again", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (text) => {
      const path = toBytePath(text);
      expect(bytePathToBytes(path)).toEqual(new TextEncoder().encode(text));
      expect(displayPath(path)).toBe(text.replace(/^\ufeff/, ""));
    }),
  );
});

test("bytes that are no UTF-8 are shown escaped", () => {
  expect(displayPath(bytePathFromBytes(Uint8Array.of(0x61, 0xff, 0x62)))).toBe(String.raw`a\xffb`);
});

describe("paths", () => {
  test.each([
    ["/a//b/./c/", "a/b/c"],
    ["../../etc", "etc"],
    ["a/../../b", "b"],
    ["", ""],
    ["/", ""],
    [".", ""],
  ])("clean %s → %s", (given, cleaned) => expect(cleanPath(given)).toBe(cleaned));

  test("join, parent and base name agree", () => {
    const path = joinPath(toBytePath("a/b"), toBytePath("c"));
    expect([path, parentPath(path), baseName(path), pathComponents(path)]).toEqual(["a/b/c", "a/b", "c", ["a", "b", "c"]]);
    expect([parentPath(toBytePath("a")), baseName(toBytePath("")), pathComponents(toBytePath(""))]).toEqual(["", "", []]);
  });

  test("a walk's order puts a directory's content right behind it", () => {
    const sorted = ["a.c", "a", "a/b", "a0", "a/b/c", ""].map((text) => toBytePath(text)).toSorted(comparePaths);
    expect(sorted).toEqual(["", "a", "a/b", "a/b/c", "a.c", "a0"]);
  });

  test("the order is total", () => {
    const paths = fc.string({ maxLength: 6, unit: fc.constantFrom("a", "b", "/", ".", "\u00ff") }).map((text) => text as ReturnType<typeof toBytePath>);
    fc.assert(
      fc.property(paths, paths, paths, (a, b, c) => {
        expect(Math.sign(comparePaths(a, b))).toBe(-Math.sign(comparePaths(b, a)) + 0);
        if (comparePaths(a, b) <= 0 && comparePaths(b, c) <= 0) expect(comparePaths(a, c)).toBeLessThanOrEqual(0);
      }),
    );
  });
});
