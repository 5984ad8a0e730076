import { describe, expect, test } from "vitest";
import { createLineMap } from "./line-map.ts";
import { createLineScanner } from "./line-scanner.ts";
import type { InstructionNode, NodeArguments } from "./node.ts";
import { parseNode } from "./node-parser.ts";
import { sourceOffset } from "./logical-line.ts";

// The rules of BuildKit's frontend/dockerfile/parser/testfiles, testfiles-negative and parser_test.go on lines of our own, shown as its Node.Dump shows them:
// keyword in lower case, flags in brackets, arguments quoted, an instruction within ONBUILD in parentheses

const quoted = (texts: readonly string[]): string => texts.map((text) => ` ${JSON.stringify(text)}`).join("");

function argumentsOf(args: NodeArguments): string {
  switch (args.kind) {
    case "none":
      return "";
    case "json":
      return quoted(args.items.map(({ value }) => value));
    case "text":
      return quoted([args.text.value]);
    case "words":
      return quoted(args.words.map(({ value }) => value));
    case "pairs":
      return quoted(args.pairs.flatMap(({ key, value }) => [key.value, value.value, args.legacy ? "" : "="]));
    case "health":
      return quoted([args.type.value]) + argumentsOf(args.command);
    case "onbuild":
      return ` (${dump(args.child)})`;
  }
}

function dump({ keyword, flags, args }: InstructionNode): string {
  const shown = flags.length === 0 ? "" : ` [${quoted(flags.map(({ value }) => value)).trim()}]`;
  return keyword.value.toLowerCase() + shown + argumentsOf(args);
}

function nodes(text: string): InstructionNode[] {
  const source = { file: "Dockerfile", lines: createLineMap(text) };
  const scanner = createLineScanner(source, (error) => {
    throw error;
  });
  const found: InstructionNode[] = [];
  for (let line = scanner.next(); line !== undefined; line = scanner.next()) found.push(parseNode(line, { source, escape: scanner.escape() }));
  return found;
}

type Row = readonly [text: string, ...dumped: string[]];
const trees = (rows: readonly Row[]): void => {
  test.each(rows.map(([text, ...dumped]) => ({ text, dumped })))("$text", ({ text, dumped }) => {
    expect(nodes(text).map(dump)).toEqual(dumped);
  });
};

describe("JSON and what only looks like it", () => {
  trees([
    ["CMD []", "cmd"],
    ['CMD [""]', 'cmd ""'],
    ['cmd\t[\t"x"\t,"y"\t]\t', 'cmd "x" "y"'],
    ['CMD ["\\u00e9 \\/ \\" \\\\ \\n \\ud83c\\udf4e", "☃ "]', 'cmd "é / \\" \\\\ \\n 🍎" "☃ "'],
    ['CMD \'["x", "y"]\'', `cmd ${JSON.stringify('\'["x", "y"]\'')}`],
    ["CMD \"['x']\"", `cmd ${JSON.stringify("\"['x']\"")}`],
    ["CMD ['x', 'y']", "cmd \"['x', 'y']\""],
    ['CMD ["x", "y"', `cmd ${JSON.stringify('["x", "y"')}`],
    ['CMD ["x", "y\\"]', `cmd ${JSON.stringify('["x", "y\\"]')}`],
    ['CMD ["x",]', `cmd ${JSON.stringify('["x",]')}`],
    ['CMD ["x"] y', `cmd ${JSON.stringify('["x"] y')}`],
    ['CMD x ["y"]', `cmd ${JSON.stringify('x ["y"]')}`],
    ['CMD {"x": 1}', `cmd ${JSON.stringify('{"x": 1}')}`],
    ['ENTRYPOINT [ "/bin/x" ]', 'entrypoint "/bin/x"'],
    ['SHELL ["a"]', 'shell "a"'],
    ['COPY ["a b", "/c d/"]', 'copy "a b" "/c d/"'],
    ['COPY ["a b" "/c"]', 'copy "[\\"a" "b\\"" "\\"/c\\"]"'],
    ["ADD a\tb  c", 'add "a" "b" "c"'],
    ['ADD \\a\\\\ b\\" /x', 'add "\\\\a\\\\\\\\" "b\\\\\\"" "/x"'],
    ['VOLUME ["/a", "/b c"]', 'volume "/a" "/b c"'],
    ["VOLUME /a /b", 'volume "/a" "/b"'],
    ['EXPOSE ["80"]', 'expose "[\\"80\\"]"'],
    ['USER ["a"]', 'user "[\\"a\\"]"'],
    ['WORKDIR ["a", "b"]', 'workdir "[\\"a\\", \\"b\\"]"'],
  ]);
  test.each(["CMD [1]", 'CMD ["x", ["y"]]', 'RUN ["x", null]', 'COPY ["a", {}]', "SHELL [true]", 'VOLUME ["a", 1.5]', 'HEALTHCHECK CMD ["x", 1]'])(
    "%s is refused",
    (text) => {
      expect(() => nodes(text)).toThrow(expect.objectContaining({ code: "DOCKERFILE_SYNTAX", message: expect.stringContaining("no string") }));
    },
  );
});

describe("pairs", () => {
  trees([
    ["ENV k v", 'env "k" "v" ""'],
    ["ENV k  v w ", 'env "k" "v w" ""'],
    ["ENV k v=w", 'env "k" "v=w" ""'],
    ["ENV k = v", 'env "k" "= v" ""'],
    ["ENV k=v", 'env "k" "v" "="'],
    ["ENV k= l=", 'env "k" "" "=" "l" "" "="'],
    ['ENV k="v w" l=x\\ y', `env "k" "\\"v w\\"" "=" "l" "x\\\\ y" "="`],
    ["ENV k='v\"w' l=\"x'y\"", `env "k" "'v\\"w'" "=" "l" "\\"x'y\\"" "="`],
    ['ENV k="v\\"w"', `env "k" ${JSON.stringify('"v\\"w"')} "="`],
    ['ENV k="v\\\'w"', `env "k" ${JSON.stringify('"v\\\'w"')} "="`],
    // nothing escapes a single quote, so the word goes on to the next one
    ["ENV k='v\\'w' l=1'", `env "k" ${JSON.stringify("'v\\'w' l=1'")} "="`],
    ["ENV k='v\\\"w'", `env "k" ${JSON.stringify("'v\\\"w'")} "="`],
    ["ENV k=\"''\"", `env "k" ${JSON.stringify("\"''\"")} "="`],
    ["ENV 'a b'=c", `env "'a b'" "c" "="`],
    ['ENV k=v \\\n  l="w \\\n  x" \\\n\tm=y \\', 'env "k" "v" "=" "l" "\\"w   x\\"" "=" "m" "y" "="'],
    ["ENV k=é\u00a0l=m", 'env "k" "é" "=" "l" "m" "="'],
    ["LABEL k v w", 'label "k" "v w" ""'],
    ["LABEL", "label"],
    ["ARG a", 'arg "a"'],
    ["ARG a b=c d=", 'arg "a" "b=c" "d="'],
    ["ARG a='b c' d=\"e f", `arg "a='b c'" "d=\\"e f"`],
  ]);
  test.each(["ENV k", "LABEL k", "ENV k=v l", "LABEL a.b-c=d e"])("%s is refused", (text) => {
    expect(() => nodes(text)).toThrow(expect.objectContaining({ code: "DOCKERFILE_SYNTAX" }));
  });
});

describe("continuations, comments and escapes", () => {
  trees([
    ["RUN a\\\n  b\\\n  c  \\\n  d\\\ne", 'run "a  b  c    de"'],
    ["RUN a  \\\nb", 'run "a  b"'],
    ["RUN a  \\  \t\nb", 'run "a  b"'],
    ["RUN a \\\n \\\n b \\\n\\\n c\\\n\\\nd", 'run "a   b  cd"'],
    ["RUN a \\\n# one\n\n  # two\n\nb", 'run "a b"'],
    ["RUN a \\\n# one \\\nb", 'run "a b"'],
    ["RUN a \\", 'run "a"'],
    ["RUN a \\\n", 'run "a"'],
    ["RUN a \\\n\n\nRUN b", 'run "a RUN b"'],
    ["RUN a # b", 'run "a # b"'],
    ["RUN a \\\n  && # b \\\n  c", 'run "a   && # b   c"'],
    ["R\\\nUN a", 'run "a"'],
    ["RUN\\\na", "runa"],
    ["RUN\\\n a", 'run "a"'],
    ['MAINTAINER A \\\\B <c>\\"', `maintainer ${JSON.stringify('A \\\\B <c>\\"')}`],
    ["RUN a\\\\\nRUN b", 'run "a\\\\\\\\"', 'run "b"'],
    ["RUN a\\\\\\\nRUN b", 'run "a\\\\\\\\\\\\"', 'run "b"'],
    ["# escape=`\nRUN a`\n b\nRUN c\\\nRUN d", 'run "a b"', 'run "c\\\\"', 'run "d"'],
    ["# a comment\n# escape=`\nRUN a`\nRUN b\\\n c", 'run "a`"', 'run "b c"'],
    ["# escape=\\\nRUN a \\\n b", 'run "a  b"'],
    ["# escape=`\nENV a=b`\n c=d`e f=`", 'env "a" "b" "=" "c" "d`e" "=" "f" "" "="'],
    ["\ufeffRUN a", 'run "a"'],
    ["\u2003RUN a\u00a0\n", 'run "a"'],
    ["RUN\u00a0a", "run\u00a0a"],
    ["  \t# indented\n\tRUN a\r\n", 'run "a"'],
  ]);
});

describe("flags", () => {
  trees([
    ["COPY --a=b --c d e", 'copy ["--a=b" "--c"] "d" "e"'],
    ["COPY --a -- --b c", 'copy ["--a"] "--b" "c"'],
    ["COPY -- a b", 'copy "a" "b"'],
    ['CMD --a [ "b" ]', 'cmd ["--a"] "b"'],
    ["CMD --a -- [ ]", 'cmd ["--a"]'],
    ['CMD --a="b c" -- d', 'cmd ["--a=b c"] "d"'],
    ["RUN --a=b\\ c --d='e\"f' g", `run ["--a=b c" ${JSON.stringify('--d=e"f')}] "g"`],
    ["RUN -a --b", 'run "-a --b"'],
    ["RUN --", "run"],
    ["RUN --a\\\n --b c", 'run ["--a" "--b"] "c"'],
    ["FROM --platform=a b AS c", 'from ["--platform=a"] "b" "AS" "c"'],
    ["EXPOSE --a 1 2", 'expose ["--a"] "1" "2"'],
  ]);
});

describe("health checks and triggers", () => {
  trees([
    ["HEALTHCHECK", "healthcheck"],
    ["HEALTHCHECK --interval=5s --retries=3 \\\n  CMD a --b", 'healthcheck ["--interval=5s" "--retries=3"] "CMD" "a --b"'],
    ["HEALTHCHECK CMD", 'healthcheck "CMD"'],
    ["HEALTHCHECK   cmd   a  b", 'healthcheck "cmd" "a  b"'],
    ['HEALTHCHECK CMD ["a", "b"]', 'healthcheck "CMD" "a" "b"'],
    ["HEALTHCHECK CONNECT TCP 7000", 'healthcheck "CONNECT" "TCP 7000"'],
    ["HEALTHCHECK CMD --a b", 'healthcheck "CMD" "--a b"'],
    ["ONBUILD RUN a b", 'onbuild (run "a b")'],
    ["ONBUILD COPY --from=a b c", 'onbuild (copy ["--from=a"] "b" "c")'],
    ['onbuild cmd ["a"]', 'onbuild (cmd "a")'],
    ["ONBUILD --a RUN b", 'onbuild ["--a"] (run "b")'],
    ["ONBUILD", "onbuild"],
  ]);
});

test("lines an instruction spans", () => {
  const text = "# one\n\n\nFROM a\n# two\nRUN b \\\n  c\n\n\nENV k=v \\\n# three\n\n  l=w\n# end\n";
  const lines = createLineMap(text);
  const lineOf = (offset: number): number => lines.position(offset).line;
  const spans = nodes(text).map(({ line, keyword, end }) => [lineOf(sourceOffset(line, keyword.start)), lineOf(sourceOffset(line, end - 1))]);
  expect(spans).toEqual([
    [4, 4],
    [6, 7],
    [10, 13],
  ]);
});
