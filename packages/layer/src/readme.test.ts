import { readFileSync } from "node:fs";
import { streamOf, toBytePath } from "@varve/bytes";
import { expect, test } from "vitest";
import * as api from "./index.ts";

test("the README's example gives the tree it says", async () => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const code = (/```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? "").replaceAll(/^import .*$/gm, "");
  const scope = { ...api, streamOf, toBytePath };
  const shown: unknown[] = [];
  // oxlint-disable-next-line typescript/no-implied-eval -- the README's own text
  const run = new Function("scope", "console", `return (async () => { const { ${Object.keys(scope).join(", ")} } = scope; ${code} })()`) as (
    scope: object,
    console: object,
  ) => Promise<void>;
  await run(scope, { log: (value: unknown) => shown.push(value) });
  expect(shown).toEqual([JSON.parse(/; \/\/ (\[.*)/.exec(code)?.[1] ?? "")]);
});
