import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { expect, test } from "vitest";
import * as api from "./index.ts";

test.skipIf(process.platform !== "linux")("the README's example makes its calls and names the one that failed", async () => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const code = (/```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? "").replaceAll(/^import .*$/gm, "");
  const directory = mkdtempSync(join(tmpdir(), "varve-readme-"));
  let text = "";
  const stdout = new Writable({
    write(chunk: Buffer, _encoding, done) {
      text += chunk.toString();
      done();
    },
  });
  const lines: unknown[][] = [];
  // oxlint-disable-next-line typescript/no-implied-eval -- the README's own text
  const run = new Function(
    "scope",
    "directory",
    "process",
    "console",
    `return (async () => { const { ${Object.keys(api).join(", ")} } = scope; ${code} })()`,
  ) as (scope: object, directory: string, process: object, console: object) => Promise<void>;
  try {
    await run(api, directory, { stdout }, { log: (...line: unknown[]) => lines.push(line) });
  } finally {
    rmSync(directory, { recursive: true });
  }
  expect(text).toBe("hello from the kernel\n");
  expect(lines.map((line) => line.join(" "))).toEqual([/; \/\/ (.*)/.exec(code)?.[1]]);
});
