import { VarveError } from "@varve/errors";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { CommandForm, Dockerfile, RunInstruction } from "./ast.ts";
import { parseDuration } from "./duration.ts";
import { parseDockerfile, parseDockerfileTolerant, parseOnbuild } from "./parser.ts";
import { printDockerfile } from "./print.ts";

const text = (command: CommandForm): unknown => (command.form === "shell" ? command.text : command.args);
const run = (source: string): RunInstruction => parseDockerfile(`FROM x\n${source}`).stages[0]!.instructions[0] as RunInstruction;

test.each([
  ["docker/dockerfile:1", 0],
  ["docker/dockerfile:1.20-labs@sha256:abc // pinned", 0],
  ["mirror.example.com/docker/dockerfile-upstream:master", 0],
  ["evil/frontend:1", 1],
  ["notdocker/dockerfile", 1],
])("a frontend %s is read as a Dockerfile, with %i warnings", (name, count) => {
  const { warnings } = parseDockerfile(`# syntax=${name}\nFROM a\n`);
  expect(warnings.map(({ rule }) => rule)).toEqual(Array.from({ length: count }, () => "RemoteFrontend"));
});

describe("parseOnbuild", () => {
  test("parses what the config stores", () => {
    expect(parseOnbuild("RUN <<-EOF\n\techo later\nEOF")).toMatchObject({ kind: "run", heredocs: [{ content: "echo later\n" }] });
    expect(parseOnbuild("copy --from=x a   b")).toMatchObject({ kind: "copy", keyword: "COPY", from: "x" });
  });

  test("what ONBUILD stores is what parseOnbuild parses", () => {
    const [onbuild] = parseDockerfile("FROM x\nONBUILD RUN a <<-A b <<'B'\n\tone\n\tA\ntwo\nB\n").stages[0]!.instructions;
    expect(onbuild?.kind === "onbuild" && parseOnbuild(onbuild.trigger)).toMatchObject({
      heredocs: [
        { content: "one\n", raw: "\tone\n" },
        { content: "two\n", expand: false },
      ],
    });
  });

  test.each([
    ["BOGUS x", "DOCKERFILE_UNKNOWN_INSTRUCTION"],
    ["FROM x", "DOCKERFILE_SYNTAX"],
    ["MAINTAINER x", "DOCKERFILE_SYNTAX"],
    ["ONBUILD RUN x", "DOCKERFILE_SYNTAX"],
    ["", "DOCKERFILE_SYNTAX"],
    ["RUN a\nRUN b", "DOCKERFILE_SYNTAX"],
    ["COPY a", "DOCKERFILE_SYNTAX"],
    ["COPY --bogus a b", "DOCKERFILE_UNKNOWN_FLAG"],
    ["COPY --link=x a b", "DOCKERFILE_FLAG"],
    ["RUN <<EOF", "DOCKERFILE_HEREDOC"],
  ])("%j is refused", (trigger, code) => {
    expect(() => parseOnbuild(trigger)).toThrow(expect.objectContaining({ code, source: expect.objectContaining({ file: "ONBUILD trigger" }) }));
  });
});

describe("tolerant", () => {
  test("collects every error and keeps the rest", () => {
    const { dockerfile, errors } = parseDockerfileTolerant("# escape=x\nRUN early\nFROM a\nBOGUS\nRUN ok\nENV a\nCOPY --bad a b\nFROM\nUSER u\n", {
      file: "D",
    });
    expect(errors.map((error) => `${error.source?.range.start.line} ${error.code}`)).toEqual([
      "1 DOCKERFILE_DIRECTIVE",
      "2 DOCKERFILE_SYNTAX",
      "4 DOCKERFILE_UNKNOWN_INSTRUCTION",
      "6 DOCKERFILE_SYNTAX",
      "7 DOCKERFILE_UNKNOWN_FLAG",
      "8 DOCKERFILE_SYNTAX",
    ]);
    expect(dockerfile.stages.map((stage) => stage.instructions.map((instruction) => instruction.original))).toEqual([["RUN ok", "USER u"]]);
  });

  test("an unclosed heredoc takes the rest of the file", () => {
    expect(parseDockerfileTolerant("FROM a\nRUN <<A\nBOGUS\n").errors.map((error) => error.code)).toEqual(["DOCKERFILE_HEREDOC"]);
  });

  test("an empty file has one error", () => {
    expect(parseDockerfileTolerant("").errors.map((error) => error.code)).toEqual(["DOCKERFILE_EMPTY"]);
  });
});

describe("printDockerfile", () => {
  test("changes what an edit covers and nothing else", () => {
    const source = '\ufeff# syntax=x\r\nFROM  a \\\r\n # c\r\n AS b\r\n\r\nCMD [ "x" ]';
    const dockerfile = parseDockerfile(source);
    const { image, alias } = dockerfile.stages[0]!.from;
    expect(printDockerfile(dockerfile)).toBe(source);
    expect(
      printDockerfile(dockerfile, [
        { range: alias!.range, text: "stage" },
        { range: image.range, text: "image@sha256:0" },
      ]),
    ).toBe(source.replace("a \\", "image@sha256:0 \\").replace("AS b", "AS stage"));
  });

  test("refuses edits that overlap", () => {
    const dockerfile = parseDockerfile("FROM abc");
    const { range } = dockerfile.stages[0]!.from.image;
    expect(() =>
      printDockerfile(dockerfile, [
        { range, text: "x" },
        { range, text: "y" },
      ]),
    ).toThrow(TypeError);
  });
});

test("collected errors have a place and no stack", () => {
  const before = Error.stackTraceLimit;
  const { errors } = parseDockerfileTolerant("FROM a\nBOGUS\nENV\n");
  expect(errors.map(({ source, stack }) => [source?.range.start.line, /\n\s+at /.test(stack ?? "")])).toEqual([
    [2, false],
    [3, false],
  ]);
  expect(Error.stackTraceLimit).toBe(before);
});

test.each<[string, number | undefined]>([
  ["0", 0],
  ["1ns", 1],
  ["1us", 1e3],
  ["1\u00b5s", 1e3],
  ["1ms", 1e6],
  ["1.5s", 1.5e9],
  [".5m", 30e9],
  ["1h1m1s", 3661e9],
  ["-1s", -1e9],
  ["8760h", 31_536_000e9],
  ["", undefined],
  ["5", undefined],
  ["s", undefined],
  ["1 s", undefined],
  ["1d", undefined],
  ["1s ", undefined],
  ["1e3s", undefined],
  ["3000000h", Number.POSITIVE_INFINITY],
  ["-3000000h", Number.NEGATIVE_INFINITY],
])("duration %j", (source, expected) => {
  expect(parseDuration(source)).toBe(expected);
});

const fragment = fc.constantFrom(
  ...'\n|\n|\n| |\t|\r\n|\\|`|"|\'|$|{|}|[|]|,|=|--|<<|<<-|EOF|EOF\n|#|# escape=`\n|# syntax=x\n|FROM|FROM a\n|AS|as b|RUN|COPY|ADD|ENV|LABEL|ARG|ONBUILD|HEALTHCHECK|CMD|NONE|VOLUME|EXPOSE|SHELL|USER|WORKDIR|STOPSIGNAL|a|b=c|--from=|--mount=|--link|["a"]|é|🍎|\u00a0|\ufeff|/'.split(
    "|",
  ),
);
const dockerfileText = fc.array(fragment, { maxLength: 40 }).map((parts) => parts.join(""));

function parsed(source: string): Dockerfile | VarveError {
  try {
    return parseDockerfile(source);
  } catch (error) {
    if (error instanceof VarveError) return error;
    throw error;
  }
}

describe("for any text", () => {
  const source = fc.oneof(
    { weight: 4, arbitrary: dockerfileText.map((rest) => `FROM a\n${rest}`) },
    { weight: 2, arbitrary: dockerfileText },
    { weight: 1, arbitrary: fc.string({ unit: "binary" }) },
  );

  test("parsing gives a Dockerfile or throws a VarveError that points into the text, and tolerant parsing agrees", () => {
    fc.assert(
      fc.property(source, (input) => {
        const strict = parsed(input);
        const { dockerfile, errors } = parseDockerfileTolerant(input);
        if (strict instanceof VarveError) {
          const range = strict.source!.range;
          expect(range.start.offset).toBeLessThanOrEqual(range.end.offset);
          expect(range.end.offset).toBeLessThanOrEqual(input.length);
          expect(errors.map((error) => error.message)).toContain(strict.message);
        } else {
          expect(errors).toEqual([]);
          expect(dockerfile).toEqual(strict);
        }
        expect(printDockerfile(dockerfile)).toBe(input);
      }),
      { numRuns: 3000 },
    );
  });

  test("instructions come in order, don't overlap, start with their keyword and survive JSON", () => {
    fc.assert(
      fc.property(source, (input) => {
        const { dockerfile } = parseDockerfileTolerant(input);
        const instructions = [...dockerfile.globalArgs, ...dockerfile.stages.flatMap((stage) => [stage.from, ...stage.instructions])].toSorted(
          (a, b) => a.range.start.offset - b.range.start.offset,
        );
        let end = 0;
        for (const { range, keyword, keywordRange } of instructions) {
          expect(range.start.offset).toBeGreaterThanOrEqual(end);
          end = range.end.offset;
          const written = input.slice(keywordRange.start.offset, keywordRange.end.offset);
          // the keyword itself may be broken by a continuation
          if (!written.includes("\n")) expect(written.toUpperCase()).toBe(keyword);
          const line = input.slice(0, range.start.offset).split("\n").length;
          expect(range.start.line).toBe(line);
        }
        expect(JSON.parse(JSON.stringify(dockerfile))).toEqual(dockerfile);
      }),
      { numRuns: 1000 },
    );
  });
});

test("commands keep what is written", () => {
  expect(text(run("RUN a  'b'  \\\n  c ").command)).toBe("a  'b'    c");
});
