import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createMemoryStore, randomBlob } from "@varve/testkit/registry";
import { expect, test } from "vitest";
import * as registry from "./index.ts";

test("the README's example pushes and fetches", async () => {
  const readme = await readFile(new URL("../README.md", import.meta.url), "utf8");
  const [, example = ""] = /```ts\nimport [^\n]*\n([\s\S]*?)```/.exec(readme) ?? [];
  const { descriptor, open } = randomBlob(1000);
  const hash = createHash("sha256");
  const names = {
    ...registry,
    dockerConfigCredentials: () => registry.dockerConfigCredentials({ env: { HOME: "/nonexistent" } }),
    store: createMemoryStore(),
    blob: descriptor,
    open,
    hash,
  };
  // oxlint-disable-next-line typescript/no-implied-eval -- the README's own text
  const run = new Function(...Object.keys(names), `return (async () => {${example}})();`) as (...values: unknown[]) => Promise<void>;
  await run(...Object.values(names));
  expect(`sha256:${hash.digest("hex")}`).toBe(descriptor.digest);
});
