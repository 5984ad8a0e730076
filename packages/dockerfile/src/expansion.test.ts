import { readFileSync } from "node:fs";
import { VarveError } from "@varve/errors";
import { describe, expect, test } from "vitest";
import { EXPANSION_LIMIT, type ExpandOptions, expandHeredoc, expandWord, expandWords } from "./expansion.ts";

interface Row {
  readonly word: string;
  readonly expected: string;
  readonly options: ExpandOptions;
}

const decode = (text: string): string => text.replaceAll("␠", " ").replaceAll("␤", "\n").replaceAll("∅", "");

function readTable(name: string): Row[] {
  const text = readFileSync(new URL(`../../../fixtures/words/${name}.txt`, import.meta.url), "utf8");
  const variables = new Map<string, string>();
  let escape = "\\";
  const rows: Row[] = [];
  for (const line of text.split("\n")) {
    if (line === "" || line.startsWith("# ")) continue;
    const directive = line.slice(0, line.indexOf(" "));
    const rest = line.slice(line.indexOf(" ") + 1);
    const set = new Map(variables);
    if (directive === "ENV") variables.set(rest.slice(0, rest.indexOf("=")), decode(rest.slice(rest.indexOf("=") + 1)));
    else if (directive === "UNSET") variables.delete(rest);
    else if (directive === "ESCAPE") escape = rest;
    else {
      const arrow = line.lastIndexOf(" => ");
      if (arrow === -1) throw new Error(`${name}.txt: no => in ${line}`);
      rows.push({ word: decode(line.slice(0, arrow)), expected: decode(line.slice(arrow + 4)), options: { escape, lookup: (key) => set.get(key) } });
    }
  }
  return rows;
}

function outcome(run: () => string, expected: string): string {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof VarveError)) throw error;
    expect(error.code).toBe("DOCKERFILE_EXPANSION");
    const part = expected.replace("error: ", "");
    return expected.startsWith("error: ") && error.message.includes(part) ? expected : `error: ${error.message}`;
  }
}

describe.each(["variables", "modifiers", "patterns", "quotes"])("fixtures/words/%s.txt", (name) => {
  test.each(readTable(name))("$word => $expected", ({ word, expected, options }) => {
    expect(outcome(() => expandWord(word, options).value, expected)).toBe(expected);
  });
});

describe("fixtures/words/split.txt", () => {
  test.each(readTable("split"))("$word => $expected", ({ word, expected, options }) => {
    expect(
      outcome(
        () =>
          expandWords(word, options)
            .values.map((value) => `<${value}>`)
            .join(""),
        expected,
      ),
    ).toBe(expected);
  });
});

const lookup = (name: string): string | undefined => ({ X: "value", EMPTY: "" })[name];

test("says which names were found and which were not", () => {
  expect(expandWord("$X ${UNSET:-$EMPTY} $X ${X:+$OTHER} $UNSET", { lookup })).toMatchObject({ used: ["X", "EMPTY"], unset: ["UNSET", "OTHER"] });
});

test("what a word was looking at is in the error", () => {
  const range = { start: { line: 1, column: 1, offset: 0 }, end: { line: 1, column: 3, offset: 2 } };
  const source = { file: "Dockerfile", text: "${", range };
  expect(() => expandWord("${", { lookup, source })).toThrow(expect.objectContaining({ source }));
});

test.each([
  ["$UNSET", "$UNSET"],
  ["${UNSET}", "${UNSET}"],
  ["${UNSET:-a b}", "${UNSET:-a b}"],
  ["${UNSET+$X}", "${UNSET+value}"],
  ["${UNSET##*/}", "${UNSET##*/}"],
  ["${UNSET//a/$X}", "${UNSET/a/value}"],
  ["$X", "value"],
])("keepUnset leaves %s as %s", (word, expected) => {
  expect(expandWord(word, { lookup, keepUnset: true }).value).toBe(expected);
});

test("raw quotes and escapes stay, and still protect", () => {
  expect(expandWord(`'$X' "$X" \\$X "\\$X"`, { lookup, rawQuotes: true, rawEscapes: true }).value).toBe(`'$X' "value" \\$X "\\$X"`);
});

test("a heredoc's body keeps its quotes, and its escape is the backslash", () => {
  expect(expandHeredoc(`"$X" '$X' it's \\$X \\n \`$X\n`, { lookup }).value).toBe(`"value" 'value' it's $X n \`value\n`);
});

describe("limits", () => {
  const big = "x".repeat(1024);
  const options = { lookup: () => big };

  test("a result may be as long as the limit and not one longer", () => {
    expect(expandWord("$a".repeat(EXPANSION_LIMIT / 1024), options).value).toHaveLength(EXPANSION_LIMIT);
    expect(expandWord(`"${"$a".repeat(EXPANSION_LIMIT / 1024)}"`, options).value).toHaveLength(EXPANSION_LIMIT);
    expect(() => expandWord(`${"$a".repeat(EXPANSION_LIMIT / 1024)}.`, options)).toThrow("grows past");
    expect(() => expandWord(`"${"$a".repeat(EXPANSION_LIMIT / 1024)}."`, options)).toThrow("grows past");
  });

  test("expressions may nest 100 deep and not one deeper", () => {
    const nested = (depth: number): string => "${U:-".repeat(depth) + "}".repeat(depth);
    expect(expandWord(nested(100), { lookup }).value).toBe("");
    expect(() => expandWord(nested(101), { lookup })).toThrow("nest more than 100 deep");
    expect(() => expandWord("${U:-".repeat(800_000), { lookup })).toThrow(VarveError);
  });

  test("work that leads to nothing counts", () => {
    const value = "x".repeat(10_000);
    const limit = 10_000;
    expect(expandWord("${a##*}".repeat(16), { limit, lookup: () => value }).value).toBe("");
    expect(() => expandWord("${a##*}".repeat(17), { limit, lookup: () => value })).toThrow("more work");
    expect(() => expandWord("${U:+$a}".repeat(100_000), { limit, lookup: (name) => (name === "a" ? value : undefined) })).toThrow("more work");
  });

  test("hostile patterns end", () => {
    const value = "a".repeat(50_000);
    const run = (word: string): string => expandWord(word, { lookup: () => value }).value;
    expect(run(`\${a//${"a*".repeat(20)}b/x}`)).toBe(value);
    expect(run(`\${a##${"*a".repeat(20)}*b}`)).toBe(value);
    expect(run("${a//a/b}")).toBe("b".repeat(50_000));
    expect(() => run(`\${a//${"a*".repeat(1000)}b/x}`)).toThrow("too much work");
  });
});
