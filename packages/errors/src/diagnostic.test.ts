import { describe, expect, test } from "vitest";
import { renderDiagnostic } from "./diagnostic.ts";
import { columnsOf, graphemesOf } from "./display-text.ts";
import type { SourceExcerpt } from "./source-range.ts";
import { VarveError } from "./varve-error.ts";

const within = (text: string, from: readonly [line: number, column: number], to: readonly [line: number, column: number]): SourceExcerpt => {
  const at = ([line, column]: readonly [number, number]) => ({
    line,
    column,
    offset: text.split("\n", line - 1).reduce((sum, each) => sum + each.length + 1, column - 1),
  });
  return { file: "Dockerfile", text, range: { start: at(from), end: at(to) } };
};
const rendered = (source: SourceExcerpt, columns?: number): readonly string[] =>
  renderDiagnostic(new VarveError("DOCKERFILE_SYNTAX", "x", { source }), undefined, columns)
    .split("\n")
    .slice(1);

test("a line with its predecessor, carets under the range, the code and the hint", () => {
  const error = new VarveError("DOCKERFILE_UNKNOWN_INSTRUCTION", 'unknown instruction "CPOY"', {
    hint: "did you mean COPY?",
    source: within("FROM x\r\nCPOY . .\nRUN y\n", [2, 1], [2, 5]),
  });
  expect(renderDiagnostic(error)).toBe(
    [
      'Dockerfile:2:1: unknown instruction "CPOY" [DOCKERFILE_UNKNOWN_INSTRUCTION]',
      "  1 │ FROM x",
      "> 2 │ CPOY . .",
      "    │ ^^^^",
      "hint: did you mean COPY?",
    ].join("\n"),
  );
});

test("without a source, details are indented below the message", () => {
  const error = new VarveError("BUILD_RUN_FAILED", "RUN false ended with exit code 1", { details: ["last", "lines"] });
  expect(renderDiagnostic(error)).toBe("RUN false ended with exit code 1 [BUILD_RUN_FAILED]\n  last\n  lines");
});

test("a range of many lines shows its first five, and marks the first line to its end", () => {
  const text = Array.from({ length: 12 }, (_, i) => `line ${i + 1}`).join("\n");
  const lines = rendered(within(text, [3, 6], [12, 1]));
  expect(lines.filter((line) => line.startsWith(">"))).toHaveLength(5);
  expect(lines[2]).toBe("    │      ^");
});

test("what a terminal would obey is written out, and carets stand below what is meant", () => {
  const error = new VarveError("DOCKERFILE_EXPANSION", "\u001b[31mred ends\nhere\u202e", {
    hint: "write \u0007",
    source: within("ENV A=\u001b[31mred${x\tb", [1, 15], [1, 18]),
    details: ["output \u001b[1mas it is"],
  });
  expect(renderDiagnostic(error)).toBe(
    [
      "Dockerfile:1:15: \\x1b[31mred ends\\x0ahere\\u202e [DOCKERFILE_EXPANSION]",
      "> 1 │ ENV A=\\x1b[31mred${x b",
      "    │                  ^^^",
      "  output \u001b[1mas it is",
      "hint: write \\x07",
    ].join("\n"),
  );
});

test("wide and composed characters take the columns a terminal gives them", () => {
  expect(rendered(within("ENV 日本e\u0301👨‍👩‍👧=${x", [1, 18], [1, 21]))).toEqual(["> 1 │ ENV 日本e\u0301👨‍👩‍👧=${x", "    │             ^^^"]);
  expect(rendered(within("ENV a日b", [1, 6], [1, 7]))[1]).toBe("    │      ^^");
});

describe("a long line is trimmed around what is meant", () => {
  const digits = "0123456789".repeat(40);
  test("at its end", () => {
    expect(rendered(within(digits, [1, 5], [1, 8]), 36)).toEqual(["> 1 │ 0123456789012345678901234567…", "    │     ^^^"]);
  });
  test("on both sides", () => {
    expect(rendered(within(digits, [1, 205], [1, 208]), 36)).toEqual(["> 1 │ …4567890123456789012345678901…", "    │            ^^^"]);
  });
  test("at its start", () => {
    expect(rendered(within(digits, [1, 401], [1, 401]), 36)).toEqual(["> 1 │ …0123456789", "    │            ^"]);
  });
  test("carets end where the line does, and neighbours are cut too", () => {
    expect(rendered(within(`${digits}\n${digits}\nz`, [2, 5], [2, 400]), 36)).toEqual([
      "  1 │ 0123456789012345678901234567…",
      "> 2 │ 0123456789012345678901234567…",
      `    │     ${"^".repeat(24)}`,
    ]);
  });
  test("to 120 columns without a terminal", () => {
    expect(rendered(within(digits, [1, 1], [1, 2]))[0]).toHaveLength(119);
  });
  test("without looking at all of it", () => {
    const lines = rendered(within("x".repeat(4_000_000), [1, 2_000_001], [1, 3_000_001]), 40);
    expect(lines[0]).toBe(`> 1 │ …${"x".repeat(32)}…`);
  });
});

test.each([
  ["é", 1],
  ["e\u0301", 1],
  ["日", 2],
  ["❤\ufe0f", 2],
  ["🇫🇷", 2],
  ["👩‍👩‍👧", 2],
])("%s takes %d columns", (text, columns) => {
  expect(columnsOf(graphemesOf(text))).toBe(columns);
});
