import { expect, test } from "vitest";
import { renderDiagnostic } from "./diagnostic.ts";
import { VarveError } from "./varve-error.ts";

const at = (line: number, column: number) => ({ line, column, offset: 0 });

test("a line with its predecessor, carets under the range, the code and the hint", () => {
  const error = new VarveError("DOCKERFILE_UNKNOWN_INSTRUCTION", 'unknown instruction "CPOY"', {
    hint: "did you mean COPY?",
    source: { file: "Dockerfile", text: "FROM x\r\nCPOY . .\nRUN y\n", range: { start: at(2, 1), end: at(2, 5) } },
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
  const error = new VarveError("DOCKERFILE_SYNTAX", "x", { source: { file: "f", text, range: { start: at(3, 6), end: at(12, 1) } } });
  const lines = renderDiagnostic(error).split("\n");
  expect(lines.filter((line) => line.startsWith(">"))).toHaveLength(5);
  expect(lines[3]).toBe("    │      ^");
});
