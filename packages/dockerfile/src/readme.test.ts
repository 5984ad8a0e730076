import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import * as api from "./index.ts";

/** Each `expression; // value` line of the README's example, with what stands before it. */
test("each line for editors gives what stands behind it", () => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const code = [...readme.matchAll(/```ts\n([\s\S]*?)```/g)][1]?.[1] ?? "";
  const lines = code.split("\n").filter((line) => line !== "" && !line.startsWith("import "));
  const declarations = lines.filter((line) => line.startsWith("const ")).join("\n");
  const said = lines.filter((line) => !line.startsWith("const ")).map((line) => line.split("; // "));
  expect(said).toHaveLength(7);
  for (const [expression = "", value = ""] of said) {
    // oxlint-disable-next-line typescript/no-implied-eval -- the README's own text
    const [actual, expected] = new Function("d", `const { ${Object.keys(api).join(", ")} } = d; ${declarations}\nreturn [${expression}, ${value}];`)(
      api,
    ) as readonly [unknown, unknown];
    expect({ expression, value: actual }).toEqual({ expression, value: expected });
  }
});

test("the README's example does what it says", () => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const code = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? "";
  const lines = code.split("\n").filter((line) => line !== "" && !line.startsWith("import "));
  const names = Object.keys(api).join(", ");
  const declarations = lines.filter((line) => line.startsWith("const ")).join("\n");
  const results = lines
    .filter((line) => !line.startsWith("const "))
    .map((line) => {
      const [expression = "", said = ""] = line.split("; // ");
      // oxlint-disable-next-line typescript/no-implied-eval -- the README's own text
      const value: unknown = new Function("d", `const { ${names} } = d; ${declarations}\nreturn [${expression}, ${/^[{"]/.test(said) ? said : "undefined"}];`)(
        api,
      );
      return value as readonly [unknown, unknown];
    });
  expect(results).toHaveLength(4);
  const [heredoc, expanded, printed, ignored] = results;
  expect(expanded?.[0]).toEqual(expanded?.[1]);
  expect(heredoc?.[0]).toBe(heredoc?.[1]);
  expect(printed?.[0]).toContain("FROM debian:13 AS app\n");
  expect(ignored?.[0]).toBe(true);
});
