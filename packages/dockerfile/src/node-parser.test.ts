import { describe, expect, test } from "vitest";
import { readJsonArray } from "./json-array.ts";
import { createLineMap } from "./line-map.ts";
import type { LogicalLine, Token } from "./logical-line.ts";
import type { NodeArguments } from "./node.ts";
import { parseNode } from "./node-parser.ts";
import { splitShellWords } from "./word-splitter.ts";

const lineOf = (text: string): LogicalLine => ({ text, indexes: [0], offsets: [0] });
const values = (tokens: readonly Token[]): string[] => tokens.map((token) => token.value);

function node(text: string, escape = "\\"): ReturnType<typeof parseNode> {
  return parseNode(lineOf(text), { source: { file: "Dockerfile", lines: createLineMap(text) }, escape });
}

function shown(args: NodeArguments): unknown {
  switch (args.kind) {
    case "none":
      return null;
    case "json":
      return { json: values(args.items) };
    case "text":
      return args.text.value;
    case "words":
      return values(args.words);
    case "pairs":
      return args.pairs.map(({ key, value }) => [key.value, value.value]);
    case "health":
      return [args.type.value, shown(args.command)];
    case "onbuild":
      return [args.child.keyword.value, shown(args.child.args)];
  }
}

test.each<[string, string, string[], unknown]>([
  ["run  echo hi ", "RUN", [], "echo hi"],
  ["RUN", "RUN", [], null],
  ["RUN --a=b --c d", "RUN", ["--a=b", "--c"], "d"],
  ["RUN --a", "RUN", ["--a"], null],
  ["RUN -- --a", "RUN", [], "--a"],
  ["RUN --a -- b", "RUN", ["--a"], "b"],
  ["RUN --a --", "RUN", ["--a"], null],
  ["RUN -a", "RUN", [], "-a"],
  ["RUN --a='b c' d", "RUN", ["--a=b c"], "d"],
  ['RUN --a="b\'c" d', "RUN", ["--a=b'c"], "d"],
  ["RUN --a=b\\ c d", "RUN", ["--a=b c"], "d"],
  ["RUN --a=b\\", "RUN", ["--a=b"], null],
  ['RUN --a="b', "RUN", ["--a=b"], null],
  ["RUN --\u00e9=\u4e2d x", "RUN", ["--\u00e9=\u4e2d"], "x"],
  ["COPY a\tb\v c", "COPY", [], ["a", "b", "c"]],
  ["COPY a\\ b c", "COPY", [], ["a\\", "b", "c"]],
  ['COPY ["a b", "c"]', "COPY", [], { json: ["a b", "c"] }],
  ['VOLUME [ "a" ]', "VOLUME", [], { json: ["a"] }],
  ["CMD []", "CMD", [], { json: [] }],
  ["ENV a=b c='d e' f", "ENV", [], undefined],
  [
    "ENV a=b c='d e' f=",
    "ENV",
    [],
    [
      ["a", "b"],
      ["c", "'d e'"],
      ["f", ""],
    ],
  ],
  ["ENV a b c", "ENV", [], [["a", "b c"]]],
  ["ENV a\tb  c", "ENV", [], [["a", "b  c"]]],
  ["LABEL a=b=c", "LABEL", [], [["a", "b=c"]]],
  ["ARG a b=c 'd e'", "ARG", [], ["a", "b=c", "'d e'"]],
  ["WORKDIR a b", "WORKDIR", [], "a b"],
  ["HEALTHCHECK --x CMD a b", "HEALTHCHECK", ["--x"], ["CMD", "a b"]],
  ['HEALTHCHECK CMD ["a"]', "HEALTHCHECK", [], ["CMD", { json: ["a"] }]],
  ["HEALTHCHECK NONE", "HEALTHCHECK", [], ["NONE", null]],
  ["ONBUILD RUN x", "ONBUILD", [], ["RUN", "x"]],
  ["ONBUILD ONBUILD ONBUILD RUN x", "ONBUILD", [], ["ONBUILD", null]],
  ["ONBUILD ONBUILDER x", "ONBUILD", [], ["ONBUILDER", null]],
  ["BOGUS a b", "BOGUS", [], null],
  ["b\u00f6gus a", "b\u00f6gus", [], null],
  ["ENTRYPO\u0131NT a", "ENTRYPO\u0131NT", [], null],
  ["constructor a", "CONSTRUCTOR", [], null],
])("%s", (text, keyword, flags, args) => {
  if (args === undefined) {
    expect(() => node(text)).toThrow(expect.objectContaining({ code: "DOCKERFILE_SYNTAX" }));
    return;
  }
  const parsed = node(text);
  expect({ keyword: parsed.keyword.value, flags: values(parsed.flags), args: shown(parsed.args) }).toEqual({ keyword, flags, args });
});

test("the escape character counts in flags and words", () => {
  expect(values(node("COPY --chown=a` b c d", "`").flags)).toEqual(["--chown=a b"]);
  expect(shown(node("ENV a=b` c d=e\\", "`").args)).toEqual([
    ["a", "b` c"],
    ["d", "e\\"],
  ]);
});

describe("tokens stand where their text is", () => {
  test.each(["ENV a=b 'c d'=\"e\"", "COPY --link  a   b c", 'COPY ["a", "b\\"c" , "d"]', "ARG a b=c", "EXPOSE 1  2"])("%s", (text) => {
    const { args, keyword, flags } = node(text);
    const tokens =
      args.kind === "pairs"
        ? args.pairs.flatMap(({ key, value }) => [key, value])
        : args.kind === "words"
          ? args.words
          : args.kind === "json"
            ? args.items
            : [];
    expect(tokens.length).toBeGreaterThan(0);
    for (const token of [keyword, ...flags, ...tokens])
      expect(args.kind === "json" && token !== keyword ? (JSON.parse(text.slice(token.start, token.end)) as string) : text.slice(token.start, token.end)).toBe(
        token.value,
      );
  });
});

test.each<[string, string[]]>([
  ["", []],
  ["  a  b ", ["a", "b"]],
  ["a' 'b", ["a' 'b"]],
  ['"a b"c d', ['"a b"c', "d"]],
  ["a\\ b", ["a\\ b"]],
  ["a\\", ["a"]],
  ["a \\", ["a"]],
  ["'a\\' b", ["'a\\'", "b"]],
  ['"a\\" b" c', ['"a\\" b"', "c"]],
  ["'a b", ["'a b"]],
  ['"a b\\', ['"a b']],
  ["\\'a b", ["\\'a", "b"]],
  ["''", ["''"]],
])("the words of %j are %j", (text, expected) => {
  expect(values(splitShellWords(lineOf(text), 0, { end: text.length, escape: "\\" }))).toEqual(expected);
});

test.each([
  ['["a"]', "strings"],
  ["[]", "strings"],
  ['["a",]', "none"],
  ["['a']", "none"],
  ['["a"] x', "none"],
  ["[1]", "mixed"],
  ['["a", null]', "mixed"],
  ['["a", ["b"]]', "mixed"],
  ['"a"', "none"],
  ["{}", "none"],
  ["[".repeat(500_000), "none"],
])("JSON %#", (text, kind) => {
  expect(readJsonArray(lineOf(text), 0, text.length).kind).toBe(kind);
});
