import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findHostTool } from "@varve/sandbox";
import { expect, test } from "vitest";
import * as api from "./index.ts";
import { busyboxEntries, fixtureRoot } from "./runner.fixture.ts";

const available = process.getuid?.() === 0 && findHostTool("unshare") !== undefined && existsSync("/bin/busybox");
if (!available && process.env["CI"] === "true") throw new Error("the README's example needs root, unshare and busybox-static");

test.skipIf(!available)(`the README's example runs a step and lists its changes${available ? "" : " (needs root, unshare and busybox-static)"}`, async () => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const code = (/```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? "").replaceAll(/^import .*$/gm, "");
  const home = mkdtempSync(join(tmpdir(), "varve-readme-"));
  const scope = { ...api, ...fixtureRoot(busyboxEntries()), home };
  const lines: unknown[][] = [];
  // oxlint-disable-next-line typescript/no-implied-eval -- the README's own text
  const run = new Function("scope", "console", `return (async () => { const { ${Object.keys(scope).join(", ")} } = scope; ${code} })()`) as (
    scope: object,
    console: object,
  ) => Promise<void>;
  try {
    await run(scope, { log: (...line: unknown[]) => lines.push(line) });
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
  expect(lines).toEqual([[0, ["added greeting"]]]);
});
