import fc from "fast-check";
import { expect, it } from "vitest";
import { compileCommonPattern } from "./common-pattern.ts";
import { compileAutomaton } from "./ignore-pattern.ts";

const componentsOf = (from: readonly string[]): fc.Arbitrary<string> => {
  const component = fc.array(fc.constantFrom(...from), { minLength: 1, maxLength: 4 }).map((parts) => parts.join(""));
  return fc.array(component, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"));
};

it("is what the automaton says, of any path", () => {
  const patterns = componentsOf(["a", "b", ".", "*", "**", "-", "?", "[a]", "é"]);
  const paths = fc.array(componentsOf(["a", "b", ".a", "-", "é", "😀"]), { minLength: 10, maxLength: 10 });
  let common = 0;
  const property = fc.property(patterns, paths, (pattern, tried) => {
    const matches = compileCommonPattern(pattern);
    if (matches === undefined) return;
    common++;
    const automaton = compileAutomaton(pattern);
    for (const path of tried) expect(`${pattern} ${path} ${String(matches(path))}`).toBe(`${pattern} ${path} ${String(automaton?.matches(path))}`);
  });
  fc.assert(property, { numRuns: 20_000 });
  expect(common).toBeGreaterThan(1000);
});

it.each(["*.js", "**/node_modules", "src/**/*.map", ".git", "a b/c-d_e.f"])("%s is common", (pattern) => {
  expect(compileCommonPattern(pattern)).toBeTypeOf("function");
});

it.each(["a?", "[ab]", "a**b", "**a", "a|b", "a\\b", "{a,b}", "+(a)", "é", "*a*a*a*a", "**/a/**/b/**/c", "../a", "!a", "#a"])("%s is not", (pattern) => {
  expect(compileCommonPattern(pattern)).toBeUndefined();
});
