import { describe, expect, test } from "vitest";
import { compileGlob, hasWildcard } from "./glob.ts";

describe("compileGlob", () => {
  test.each([
    ["*.txt", "a.txt", true],
    ["*.txt", ".txt", true],
    ["*", ".hidden", true],
    ["*", "a/b", false],
    ["a*/b", "ax/b", true],
    ["***", "x", true],
    ["**/b", "a/b", true],
    ["**/b", "a/a/b", false],
    ["a*b*c", "aXbYc", true],
    ["a?c", "abc", true],
    ["a?c", "aéc", true],
    ["a?c", "a/c", false],
    ["?", "é", true],
    ["??", "é", false],
    ["?", "\u{1f600}", true],
    ["[ab]", "b", true],
    ["[^a]", "b", true],
    ["[^a]", "a", false],
    // as in Go, where only a star and a question mark stop at a slash
    ["a[^x]b", "a/b", true],
    ["a[/]b", "a/b", true],
    ["[!a]", "!", true],
    ["[!a]", "b", false],
    ["[a-c]x", "bx", true],
    ["[\\]]", "]", true],
    ["[\\-x]", "-", true],
    ["[[:alpha:]]", "a]", true],
    ["[[:alpha:]]", "b", false],
    ["[c-a]", "b", false],
    ["[c-ab]", "b", true],
    ["[^c-a]", "z", true],
    ["\\*", "*", true],
    ["\\*", "x", false],
    ["\\**", "*x", true],
    ["{a,b}", "a", false],
    ["{a,b}", "{a,b}", true],
    ["+(a)", "a", false],
    ["+(a)", "+(a)", true],
    ["!a", "b", false],
    ["!a", "!a", true],
    ["#a", "#a", true],
    ["a.c", "abc", false],
    ["a|b", "a", false],
    ["(a)", "(a)", true],
    ["^$", "^$", true],
  ])("%j on %j is %j", (pattern, name, matches) => {
    expect(compileGlob(pattern)?.matches(name)).toBe(matches);
  });

  test.each(["[a", "a\\", "[-a]", "[]a]", "[a-]", "[", `*${"a".repeat(70_000)}`])("%j is no pattern", (pattern) => {
    expect(compileGlob(pattern)).toBeUndefined();
  });

  test.each([
    ["a*/b", "ax", true],
    ["a*/b", "bx", false],
    ["a*", "ax", false],
    ["a[^x]b", "a", true],
    ["*/*/c", "a/b", true],
  ])("below %j, in %j: %j", (pattern, directory, may) => {
    expect(compileGlob(pattern)?.mayMatchBelow(directory)).toBe(may);
  });

  test("many stars on a long name end soon", () => {
    expect(compileGlob("*a".repeat(3000))?.matches(`${"a".repeat(2000)}b`)).toBe(false);
  });
});

test.each([
  ["a*", true],
  ["a\\*", false],
  ["a\\\\*", true],
  ["[", true],
  ["plain", false],
  ["trailing\\", false],
])("hasWildcard(%j) is %j", (component, expected) => {
  expect(hasWildcard(component)).toBe(expected);
});
