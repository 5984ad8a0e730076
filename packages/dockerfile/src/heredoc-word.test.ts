import { describe, expect, test } from "vitest";
import { heredocWords, parseHeredocWord } from "./heredoc-word.ts";
import { parseDockerfile } from "./parser.ts";

// after BuildKit's frontend/dockerfile/parser/parser_heredoc_test.go and frontend/dockerfile/instructions/parse_heredoc_test.go, on words of our own

test.each<[string, string, { readonly fd?: number; readonly expand?: boolean; readonly chomp?: boolean }]>([
  ["<<END", "END", {}],
  ["<< END", "END", {}],
  ["<<\tEND", "END", {}],
  ["<<-END", "END", { chomp: true }],
  ["<<- END", "END", { chomp: true }],
  ["<< -END", "-END", {}],
  ["<<--", "-", { chomp: true }],
  ["<<'END'", "END", { expand: false }],
  ['<<"END"', "END", { expand: false }],
  ["<<-'END'", "END", { chomp: true, expand: false }],
  ['<<E"N"D', "END", { expand: false }],
  ["<<'a b'", "a b", { expand: false }],
  ["<<a\\ b", "a b", {}],
  ["<<a\\'b", "a'b", {}],
  ["<<'a'\\'b", "a'b", { expand: false }],
  ["<<''\\\"", '"', { expand: false }],
  ["<<$END", "$END", {}],
  ["<<${END}", "${END}", {}],
  ["<<a.txt", "a.txt", {}],
  ["<<END;", "END;", {}],
  ["<<END>out", "END>out", {}],
  ["3<<END", "END", { fd: 3 }],
  ["007<<END", "END", { fd: 7 }],
])("%j opens %j", (word, name, { fd = 0, expand = true, chomp = false }) => {
  expect(parseHeredocWord(word)).toEqual({ name, fileDescriptor: fd, expand, chomp });
});

test.each([
  "",
  "END",
  "<<",
  "<<-",
  "<< ",
  "<END",
  "<<<END",
  "<<END sh",
  "<<A <<B",
  "<<''",
  "<<'END",
  '<<"END',
  "<<END'",
  '<<END"',
  "x<<END",
  "-1<<END",
  "<<${END",
])("%j opens none", (word) => {
  expect(parseHeredocWord(word)).toBeUndefined();
});

test.each<[string, string[]]>([
  ["RUN <<A", ["A"]],
  ["RUN <<A <<B", ["A", "B"]],
  ["RUN cat <<A >x && cat <<B", ["A", "B"]],
  ["RUN cat<<A", []],
  ["RUN <<A; ls", ["A;"]],
  ["RUN 4<<A", ["A"]],
  ["RUN '<<A'", []],
  ['RUN "<<A"', []],
  ["RUN \\<<A", []],
  ["RUN <\\<A", []],
  ["RUN <<'A B' c", ["A B"]],
  ["RUN <<A\\ B c", ["A B"]],
  ["RUN << A", ["A"]],
  ["RUN cat <<  \t'A B' >x <<C", ["A B", "C"]],
  ["RUN << -A", ["-A"]],
  ["RUN <<\vA", []],
  ["RUN <<\u00a0A", []],
  ["RUN <<", []],
  ["RUN << ", []],
  // <<- is a word of its own before a blank: nothing is opened (moby/buildkit#6822)
  ["RUN <<- A", []],
  ["RUN <<< A", []],
  ["RUN <<<< A", []],
  ["RUN a<< A", []],
  ["RUN 3<< A", ["A"]],
  ["RUN echo $((1 << 2))", ["2))"]],
  ['RUN echo "$((1 << 2))"', []],
  ["RUN it's <<A", []],
  ["RUN ${x <<A", []],
  ["RUN ${x:?y} <<A", ["A"]],
  ["RUN $((1<<2)) <<A", ["A"]],
  ["RUN $(cat <<A)", ["A)"]],
])("%j opens %j", (line, names) => {
  expect(heredocWords(line).map(({ name }) => name)).toEqual(names);
});

describe("in instructions", () => {
  const heredocs = (text: string) =>
    parseDockerfile(`FROM a\n${text}`).stages[0]?.instructions[0]?.heredocs.map(({ name, content, raw }) => [name, content, raw]);

  test.each<[string, readonly (readonly [string, string, string])[]]>([
    ["RUN <<A\nA", [["A", "", ""]]],
    ["RUN <<A\n\tx\n  y\nA", [["A", "\tx\n  y\n", "\tx\n  y\n"]]],
    ["RUN <<-A\n\tx\n\t\ty\n \tz\nA", [["A", "x\ny\n \tz\n", "\tx\n\t\ty\n \tz\n"]]],
    ["RUN <<-A\n\tx\n\tA", [["A", "x\n", "\tx\n"]]],
    ["RUN <<A\nA \n A\nA", [["A", "A \n A\n", "A \n A\n"]]],
    ["RUN <<A\r\nx\r\nA\r\n", [["A", "x\r\n", "x\r\n"]]],
    ["RUN <<A\n# no comment\nx \\\ny # z\n\nA", [["A", "# no comment\nx \\\ny # z\n\n", "# no comment\nx \\\ny # z\n\n"]]],
    ["RUN <<RUN\nRUN x\nRUN", [["RUN", "RUN x\n", "RUN x\n"]]],
    [
      "COPY <<A <<B /x/\nB\nA\nA\nB",
      [
        ["A", "B\n", "B\n"],
        ["B", "A\n", "A\n"],
      ],
    ],
    ["COPY <<'A B' b /x/\n\"q\" 'q'\nA B", [["A B", "\"q\" 'q'\n", "\"q\" 'q'\n"]]],
    ["ADD <<A /x\nA", [["A", "", ""]]],
    ["RUN --mount=type=cache,target=/c <<A\nx\nA", [["A", "x\n", "x\n"]]],
    [
      "RUN <<A \\\n <<B\n1\nA\n2\nB",
      [
        ["A", "1\n", "1\n"],
        ["B", "2\n", "2\n"],
      ],
    ],
    ["RUN <<$X\n$X", [["$X", "", ""]]],
    ["RUN cat << A > x\ny\nA", [["A", "y\n", "y\n"]]],
    ['RUN ["<<A"]', []],
    ['COPY ["<<A", "/x"]', []],
    ["ONBUILD RUN <<A\nx\nA", [["A", "x\n", "x\n"]]],
    ['ONBUILD RUN ["<<A"]', []],
  ])("%j", (text, expected) => {
    expect(heredocs(text)).toEqual(expected);
  });

  test.each([
    "USER <<A",
    "WORKDIR <<A",
    "CMD <<A",
    "ENTRYPOINT <<A",
    "ENV X=<<A",
    "LABEL x=<<A",
    "HEALTHCHECK CMD <<A",
    "ONBUILD CMD <<A",
    "ARG A=<<A",
    "EXPOSE <<A",
    "VOLUME <<A",
  ])("%s opens none", (text) => {
    expect(parseDockerfile(`FROM a\n${text}\nRUN next`).stages[0]?.instructions).toMatchObject([{ heredocs: [] }, { kind: "run" }]);
  });

  test.each(["COPY a <<A\nA", "ADD a <<'A'\nA", "COPY <<A <<B\nA\nB", 'COPY ["a", "<<A"]'])("%j is refused: no heredoc is a destination", (text) => {
    expect(() => heredocs(text)).toThrow(expect.objectContaining({ code: "DOCKERFILE_HEREDOC", message: expect.stringContaining("destination") }));
  });

  test.each(["RUN <<A", "RUN <<A\n", "RUN <<A\nx\n A", "RUN <<-A\n  A", "COPY <<A <<B /x\nA\n", "ONBUILD RUN <<A\nx"])(
    "%j is refused: it has no end",
    (text) => {
      expect(() => heredocs(text)).toThrow(expect.objectContaining({ code: "DOCKERFILE_HEREDOC", message: expect.stringContaining("has no end") }));
    },
  );

  test("what stands behind a heredoc is on its own line again", () => {
    const [run, user] = parseDockerfile("FROM a\nRUN <<A <<-B\none\n\nA\n\ttwo\n\tB\nUSER u\n").stages[0]?.instructions ?? [];
    expect([run?.range.start.line, run?.range.end.line, user?.range.start.line]).toEqual([2, 7, 8]);
    expect(run?.heredocs.map(({ range }) => [range.start.line, range.end.line])).toEqual([
      [3, 5],
      [6, 7],
    ]);
  });
});
