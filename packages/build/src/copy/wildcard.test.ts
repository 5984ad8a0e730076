import { toBytePath } from "@varve/bytes";
import { describe, expect, test } from "vitest";
import { hasWildcard, nameMatcher } from "./wildcard.ts";

describe("nameMatcher", () => {
  test.each([
    ["*.txt", "a.txt", true],
    ["*.txt", ".txt", true],
    ["*", ".hidden", true],
    ["***", "x", true],
    ["a*b*c", "aXbYc", true],
    ["a?c", "abc", true],
    ["a?c", "aéc", true],
    ["?", "é", true],
    ["??", "é", false],
    ["[ab]", "b", true],
    ["[^a]", "b", true],
    ["[^a]", "a", false],
    ["[!a]", "!", true],
    ["[!a]", "b", false],
    ["[a-c]x", "bx", true],
    ["[\\]]", "]", true],
    ["[\\-x]", "-", true],
    ["[-a]", "-", false],
    ["[]a]", "]", false],
    ["[[:alpha:]]", "a]", true],
    ["[[:alpha:]]", "b", false],
    ["[c-a]", "b", false],
    ["[c-ab]", "b", true],
    ["[^c-a]", "z", true],
    ["[a", "a", false],
    ["a\\", "a", false],
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
    expect(nameMatcher(pattern)(toBytePath(name))).toBe(matches);
  });

  test("a pattern longer than any name matches nothing", () => {
    expect(nameMatcher(`*${"a".repeat(70_000)}`)(toBytePath("a"))).toBe(false);
  });

  test("many stars on a long name end soon", () => {
    expect(nameMatcher("*a".repeat(12))(toBytePath(`${"a".repeat(60)}b`))).toBe(false);
  });
});

test.each([
  ["a*", true],
  ["a\\*", false],
  ["a\\\\*", true],
  ["[", true],
  ["plain", false],
])("hasWildcard(%j) is %j", (component, expected) => {
  expect(hasWildcard(component)).toBe(expected);
});
