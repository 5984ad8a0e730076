import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { build } from "./index.ts";

test("the README's example builds and tells its steps", async () => {
  const readme = await readFile(new URL("../README.md", import.meta.url), "utf8");
  const code = (/```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? "").replaceAll(/^import .*$/gm, "");
  const context = await mkdtemp(join(tmpdir(), "varve-readme-"));
  await writeFile(join(context, "Dockerfile"), "FROM scratch\nCOPY Dockerfile /\n");
  const lines: string[][] = [];
  // oxlint-disable-next-line typescript/no-implied-eval -- the README's own text
  const run = new Function("build", "console", `return (async () => { ${code} })()`) as (run: unknown, console: object) => Promise<void>;
  const elsewhere: typeof build = (options) => build({ ...options, context, home: join(context, "home") });
  await run(elsewhere, { log: (...line: string[]) => lines.push(line) });
  await rm(context, { recursive: true });
  expect(lines).toEqual([["[1/1] COPY Dockerfile /"], ["exporting to image"], [expect.stringMatching(/^sha256:/), "0 of 1 steps cached"]]);
});
