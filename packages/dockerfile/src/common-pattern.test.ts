import { expect, it } from "vitest";
import { compileCommonPattern } from "./common-pattern.ts";
import { compileAutomaton } from "./ignore-pattern.ts";

/** xorshift32. */
function createRandom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

it("is what the automaton says, of any path", () => {
  const random = createRandom(7);
  const pick = (from: readonly string[], most: number): string => Array.from({ length: 1 + random(most) }, () => from[random(from.length)]).join("");
  const components = (from: readonly string[]): string => Array.from({ length: 1 + random(4) }, () => pick(from, 4)).join("/");
  let common = 0;
  for (let i = 0; i < 20_000; i++) {
    const pattern = components(["a", "b", ".", "*", "**", "-", "?", "[a]", "é"]);
    const matches = compileCommonPattern(pattern);
    if (matches === undefined) continue;
    common++;
    const automaton = compileAutomaton(pattern);
    for (let j = 0; j < 10; j++) {
      const path = components(["a", "b", ".a", "-", "é", "😀"]);
      expect(`${pattern} ${path} ${String(matches(path))}`).toBe(`${pattern} ${path} ${String(automaton?.matches(path))}`);
    }
  }
  expect(common).toBeGreaterThan(1000);
});

it.each(["*.js", "**/node_modules", "src/**/*.map", ".git", "a b/c-d_e.f"])("%s is common", (pattern) => {
  expect(compileCommonPattern(pattern)).toBeTypeOf("function");
});

it.each(["a?", "[ab]", "a**b", "**a", "a|b", "a\\b", "{a,b}", "+(a)", "é", "*a*a*a*a", "**/a/**/b/**/c", "../a", "!a", "#a"])("%s is not", (pattern) => {
  expect(compileCommonPattern(pattern)).toBeUndefined();
});
