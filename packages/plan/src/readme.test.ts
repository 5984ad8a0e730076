import { readFileSync } from "node:fs";
import { parseDockerfile } from "@varve/dockerfile";
import { expect, it } from "vitest";
import { planBuild, requiredBases } from "./index.ts";

it("the README's example does what it says", () => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const code = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? "";
  const lines = code.split("\n").filter((line) => line !== "" && !line.startsWith("import "));
  const declarations = lines.filter((line) => line.startsWith("const ")).join("\n");
  const expressions = lines.filter((line) => !line.startsWith("const "));
  const said = expressions.map((line) => line.split("; // "));
  // oxlint-disable-next-line typescript/no-implied-eval -- the README's own text
  const run = new Function(
    "parseDockerfile",
    "planBuild",
    "requiredBases",
    `${declarations}\nreturn [base.reference, ${said.map(([expression]) => expression).join(", ")}];`,
  );
  const [reference, titles, createdBy] = run(parseDockerfile, planBuild, requiredBases) as readonly [string, readonly string[], string];
  expect(declarations).toContain(`// base.reference is ${JSON.stringify(reference)}`);
  expect(said[0]?.[1]).toBe(
    `…, ${titles
      .slice(-3)
      .map((title) => JSON.stringify(title))
      .join(", ")}`,
  );
  expect(said[1]?.[1]).toBe(JSON.stringify(createdBy));
});
