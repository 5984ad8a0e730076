import { readFileSync } from "node:fs";
import { concatBytes, streamOf, toBytePath } from "@varve/bytes";
import { expect, test } from "vitest";
import * as api from "./index.ts";

test("the README's example reads what it wrote", async () => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const code = (/```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? "").replaceAll(/^import .*$/gm, "");
  const scope = { ...api, concatBytes, streamOf, toBytePath };
  const lines: unknown[][] = [];
  // oxlint-disable-next-line typescript/no-implied-eval -- the README's own text
  const run = new Function("scope", "console", `return (async () => { const { ${Object.keys(scope).join(", ")} } = scope; ${code} })()`) as (
    scope: object,
    console: object,
  ) => Promise<void>;
  await run(scope, { log: (...line: unknown[]) => lines.push(line) });
  expect(lines.map((line) => line.join(" "))).toEqual([/; \/\/ (.*)/.exec(code)?.[1]]);
});
