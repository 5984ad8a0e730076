import { readFileSync } from "node:fs";
import { streamOf } from "@varve/bytes";
import { createMemoryStore, randomImage } from "@varve/testkit/registry";
import { expect, test } from "vitest";
import * as api from "./index.ts";

test("the README's example pushes an image and finds it", async () => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const code = (/```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? "").replaceAll(/^import .*$/gm, "");
  const { blobs, manifest } = randomImage();
  const config = blobs[0]!;
  const scope = {
    ...api,
    streamOf,
    store: createMemoryStore(),
    config: config.descriptor,
    configBytes: config.bytes,
    manifest: manifest.descriptor,
    manifestBytes: manifest.bytes,
  };
  const shown: unknown[] = [];
  // oxlint-disable-next-line typescript/no-implied-eval -- the README's own text
  const run = new Function("scope", "console", `return (async () => { const { ${Object.keys(scope).join(", ")} } = scope; ${code} })()`) as (
    scope: object,
    console: object,
  ) => Promise<void>;
  await run(scope, { log: (value: unknown) => shown.push(value) });
  expect(shown).toEqual([true]);
});
