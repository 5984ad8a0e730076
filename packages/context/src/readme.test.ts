import { readFileSync } from "node:fs";
import * as bytes from "@varve/bytes";
import { expect, test } from "vitest";
import * as api from "./index.ts";

test("the README's example lists a directory with digests", async () => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const code = (/```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? "").replaceAll(/^import .*$/gm, "");
  const lines: string[][] = [];
  // oxlint-disable-next-line typescript/no-implied-eval -- the README's own text
  const run = new Function("api", "console", `return (async () => { const { ${[...Object.keys(api), "displayPath"].join(", ")} } = api; ${code} })()`) as (
    api: object,
    console: object,
  ) => Promise<void>;
  await run({ ...api, displayPath: bytes.displayPath }, { log: (...line: string[]) => lines.push(line) });
  expect(lines[0]).toEqual(["", ""]);
  expect(lines.some(([, digest]) => /^sha256:[0-9a-f]{64}$/.test(digest ?? ""))).toBe(true);
});
