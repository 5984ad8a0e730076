import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { renderDiagnostic, type SourceRange, VarveError } from "@varve/errors";
import { describe, expect, test } from "vitest";
import type { Dockerfile, Instruction } from "./ast.ts";
import { parseDockerfile } from "./parser.ts";

const folder = fileURLToPath(new URL("../../../fixtures/dockerfiles/", import.meta.url));

const place = ({ start, end }: SourceRange): string => `${start.line}:${start.column}-${end.line}:${end.column}`;

/** Words as `text @line:column-line:column`; the ranges of other things likewise. */
function compact(_key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || !("range" in value)) return value;
  const { range, ...rest } = value as { readonly range: SourceRange };
  const keys = Object.keys(rest);
  if (keys.length === 1 && "value" in rest) return `${String(rest.value)} @${place(range)}`;
  return { ...rest, "@": place(range) };
}

function describeInstruction({ keyword, range, keywordRange: _keywordRange, original: _original, kind: _kind, ...fields }: Instruction): string {
  return `${place(range)} ${keyword} ${JSON.stringify(fields, compact)}`;
}

function describeDockerfile(dockerfile: Dockerfile): string {
  return [
    `escape ${dockerfile.escape}`,
    ...dockerfile.directives.map((directive) => `directive ${directive.name} = ${directive.value} @${place(directive.range)}`),
    ...dockerfile.warnings.map((warning) => `warning ${warning.rule} @${place(warning.range)}: ${warning.message}`),
    ...dockerfile.globalArgs.map((arg) => describeInstruction(arg)),
    ...dockerfile.stages.flatMap(({ from, name, instructions }, i) => [
      `stage ${i}${name === undefined ? "" : ` ${name}`}`,
      ...[from, ...instructions].map((instruction) => `  ${describeInstruction(instruction)}`),
    ]),
    "",
  ].join("\n");
}

function result(text: string): string {
  try {
    return describeDockerfile(parseDockerfile(text));
  } catch (error) {
    if (error instanceof VarveError) return `${renderDiagnostic(error)}\n`;
    throw error;
  }
}

describe("fixtures/dockerfiles", () => {
  const cases = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  test.each(cases.map((entry) => entry.name))("%s", async (name) => {
    await expect(result(readFileSync(`${folder}${name}/Dockerfile`, "utf8"))).toMatchFileSnapshot(`${folder}${name}/result.txt`);
  });
});
