import { posix } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cleanUnixPath, nextWorkdir, resolveUnixPath, transferDestination, unixBase } from "./unix-path.ts";

const path = fc.array(fc.constantFrom("a", "b", "..", ".", "/", "//"), { maxLength: 12 }).map((parts) => parts.join("/").replaceAll("///", "/"));

describe("unix paths", () => {
  it("are cleaned as Node's, but for the trailing slash", () => {
    fc.assert(
      fc.property(path, (given) => {
        const expected = posix.normalize(given);
        expect(cleanUnixPath(given)).toBe(expected.length > 1 ? expected.replace(/\/$/, "") : expected);
      }),
    );
  });

  it("resolve inside the root", () => {
    fc.assert(
      fc.property(path, path, (directory, given) => {
        expect(resolveUnixPath(directory, given)).toBe(posix.resolve("/", directory.replace(/^\/+/, ""), given));
      }),
    );
  });

  it.each([
    ["", "."],
    ["/", "/"],
    ["//", "/"],
    ["/a/b/", "b"],
    ["a", "a"],
  ])("the last component of %j is %j", (given, base) => {
    expect(unixBase(given)).toBe(base);
  });

  it.each([
    ["", "a", "/a"],
    ["/w", "", "/w"],
    ["", "", "/"],
    ["/w", "../x/", "/x"],
    ["/w", "/x/../y/", "/x/../y/"],
    ["w", "a", "/w/a"],
  ])("WORKDIR from %j to %j is %j", (current, given, next) => {
    expect(nextWorkdir(current, given)).toBe(next);
  });

  it.each([
    ["/w", "", "/w/"],
    ["/w", "a", "/w/a"],
    ["/", ".", "/"],
    ["/w", "/a/./", "/a/"],
    ["/w", "/..", "/"],
  ])("a destination from %j to %j is %j", (directory, given, expected) => {
    expect(transferDestination(directory, given)).toBe(expected);
  });
});
