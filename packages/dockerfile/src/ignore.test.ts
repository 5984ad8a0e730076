import { readdirSync, readFileSync } from "node:fs";
import { VarveError } from "@varve/errors";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseIgnore, parsePatterns } from "./ignore.ts";

const folder = new URL("../../../fixtures/ignore/", import.meta.url);
const toBytes = (path: string): string => String.fromCharCode(...new TextEncoder().encode(path));

for (const name of readdirSync(folder).filter((file) => file.endsWith(".txt"))) {
  const [rules = "", paths = ""] = readFileSync(new URL(name, folder), "utf8").split("---\n");
  describe(`fixtures/ignore/${name}`, () => {
    const rows = paths
      .trimEnd()
      .split("\n")
      .map((line) => ({ path: line.slice(2), ignored: line.startsWith("-") }));
    test.each(rows)("$path: $ignored", ({ path, ignored }) => {
      expect(parseIgnore(rules).matches(toBytes(path))).toBe(ignored);
    });
    test("the order of questions changes nothing", () => {
      const matcher = parseIgnore(rules);
      for (const { path, ignored } of [...rows, ...rows.toReversed()]) expect({ path, ignored: matcher.matches(toBytes(path)) }).toEqual({ path, ignored });
    });
    test("no directory that holds something is skipped", () => {
      const matcher = parseIgnore(rules);
      for (const { path, ignored } of rows) {
        if (ignored) continue;
        const parts = path.split("/");
        for (let i = 1; i < parts.length; i++) expect(matcher.mayDescend(toBytes(parts.slice(0, i).join("/")))).toBe(true);
      }
    });
  });
}

test("an excluded directory is skipped unless a negation can match below it", () => {
  const matcher = parseIgnore("a\nb\n!b/x/y\nc\n!**/keep\nd\n");
  const only = parseIgnore("a\nb\n!b/x/y\n!/c?/z\n");
  expect(parseIgnore("a").mayDescend("a")).toBe(false);
  expect(parseIgnore("a").mayDescend("b")).toBe(true);
  expect([only.mayDescend("a"), only.mayDescend("b"), only.mayDescend("b/x"), only.mayDescend("b/y")]).toEqual([false, true, true, false]);
  expect(matcher.mayDescend("d/e")).toBe(true);
});

test("says which rule decided", () => {
  const matcher = parseIgnore("# c\n*.md\n\n!README.md\ndocs\n");
  expect(matcher.decidedBy("x.md")).toEqual({ text: "*.md", line: 2, negated: false });
  expect(matcher.decidedBy("README.md")).toEqual({ text: "!README.md", line: 4, negated: true });
  expect(matcher.decidedBy("docs/a/b")).toEqual({ text: "docs", line: 5, negated: false });
  expect(matcher.decidedBy("src")).toBeUndefined();
});

test("line endings and a byte order mark", () => {
  const matcher = parseIgnore("\ufeff# comment\r\n*.log\r\n!keep.log\r\n");
  expect([matcher.matches("a.log"), matcher.matches("keep.log"), matcher.matches("# comment")]).toEqual([true, false, false]);
});

test.each(["[", "a[", "[]", "[]a]", "[a-]", "[-a]", "[^]", "a\\", "x/[b", "![", "!"])("%s is no pattern", (pattern) => {
  expect(() => parseIgnore(`ok\n  ${pattern}\n`)).toThrow(
    expect.objectContaining({
      code: "DOCKERFILE_IGNORE_PATTERN",
      source: expect.objectContaining({ range: expect.objectContaining({ start: { line: 2, column: 3, offset: 5 } }) }),
    }),
  );
});

test("an ignore file has a limit", () => {
  expect(() => parseIgnore("#".repeat(4 * 1024 * 1024 + 1))).toThrow(expect.objectContaining({ code: "DOCKERFILE_TOO_LARGE" }));
});

/** Docker's matcher by the book: each pattern as the regular expression its documentation gives, every parent asked. */
function reference(patterns: readonly string[]): (path: string) => boolean {
  const rules = patterns.map((pattern) => {
    const negated = pattern.startsWith("!");
    const body = negated ? pattern.slice(1) : pattern;
    let expression = "";
    for (let i = 0; i < body.length; i++) {
      if (body.startsWith("**", i)) {
        i += body[i + 2] === "/" ? 2 : 1;
        expression += i + 1 === body.length ? ".*" : "(.*/)?";
      } else if (body[i] === "*") expression += "[^/]*";
      else if (body[i] === "?") expression += "[^/]";
      else expression += (body[i] ?? "").replace(/[.+()|{}$^]/, "\\$&");
    }
    const suffix = /^\*\*([a-z.]+)$/.exec(body)?.[1];
    return { negated, matches: suffix === undefined ? (path: string) => new RegExp(`^${expression}$`).test(path) : (path: string) => path.endsWith(suffix) };
  });
  return (path) => {
    const parts = path.split("/");
    let inherited = rules.map(() => false);
    let ignored = false;
    parts.forEach((_, depth) => {
      const prefix = parts.slice(0, depth + 1).join("/");
      ignored = false;
      inherited = rules.map((rule, i) => {
        const applies = inherited[i] === true || (rule.negated === ignored && rule.matches(prefix));
        if (applies) ignored = !rule.negated;
        return applies;
      });
    });
    return ignored;
  };
}

const component = fc.stringMatching(/^[ab.*?]{1,4}$/).filter((text) => text !== "." && text !== ".." && !text.includes("***"));
const pattern = fc
  .tuple(fc.constantFrom("", "!"), fc.array(fc.oneof(component, fc.constant("**")), { minLength: 1, maxLength: 3 }))
  .map(([bang, parts]) => bang + parts.join("/"));
const path = fc
  .array(
    fc.stringMatching(/^[ab.]{1,3}$/).filter((text) => text !== "." && text !== ".."),
    { minLength: 1, maxLength: 4 },
  )
  .map((parts) => parts.join("/"));

test("decides as Docker's matcher", () => {
  fc.assert(
    fc.property(fc.array(pattern, { maxLength: 4 }), path, (patterns, file) => {
      expect(parseIgnore(patterns.join("\n")).matches(file)).toBe(reference(patterns)(file));
    }),
    { numRuns: 2000 },
  );
});

test("a directory that is skipped holds nothing", () => {
  fc.assert(
    fc.property(fc.array(pattern, { maxLength: 4 }), path, (patterns, file) => {
      const matcher = parseIgnore(patterns.join("\n"));
      fc.pre(!matcher.matches(file));
      const parts = file.split("/");
      for (let i = 1; i < parts.length; i++) expect(matcher.mayDescend(parts.slice(0, i).join("/"))).toBe(true);
    }),
    { numRuns: 1000 },
  );
});

test("any text is an ignore file or a VarveError", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...Array.from("ab/*?[]!\\-^{}.,# \n\r\t")) }), path, (text, file) => {
      try {
        parseIgnore(text).matches(file);
      } catch (error) {
        expect(error).toBeInstanceOf(VarveError);
      }
    }),
    { numRuns: 1000 },
  );
});

test("hostile patterns end", () => {
  const name = "a".repeat(255);
  const deep = Array.from({ length: 400 }, () => "a").join("/");
  for (const hostile of [
    `${"*a".repeat(30)}b`,
    `${"a*".repeat(60)}b`,
    `${"?*".repeat(60)}b`,
    `${"**/a/".repeat(20)}b`,
    `${"a**".repeat(12)}b`,
    `${"**/*a*/".repeat(20)}b`,
  ]) {
    const matcher = parseIgnore(hostile);
    expect([matcher.matches(name), matcher.matches(deep)]).toEqual([false, false]);
  }
});

describe("patterns of --exclude and --parents", () => {
  test("know no comments, and a leading slash matches nothing", () => {
    const matcher = parsePatterns(["#a", "/b", " c ", "!c/d", ""]);
    expect(["#a", "b", "c", "c/d", "c/e"].map((name) => matcher.matches(name))).toEqual([true, false, true, false, true]);
  });
  test.each(["[", "!", "a".repeat(70_000)])("%.9s is refused", (refused) => {
    expect(() => parsePatterns([refused])).toThrow(expect.objectContaining({ code: "DOCKERFILE_IGNORE_PATTERN" }));
  });
});
