import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRegistryClient } from "@varve/registry";
import { afterEach, beforeEach, expect, test } from "vitest";
import { build } from "./build.ts";
import { runImage, type RunImageOptions } from "./run-image.ts";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "varve-run-image-"));
  await mkdir(join(root, "context"));
  await writeFile(join(root, "context/Dockerfile"), "FROM scratch\nENTRYPOINT []\nCOPY Dockerfile /\n");
  await build({ context: join(root, "context"), home: join(root, "home"), tags: ["app"] });
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function run(options: Partial<RunImageOptions>): Promise<unknown> {
  await using registries = createRegistryClient({});
  return await runImage({ image: "app", args: [], env: {}, network: "none", home: join(root, "home"), registries, ...options });
}

test("an image without a command needs one to be given", async () => {
  await expect(run({})).rejects.toMatchObject({ code: "BUILD_NO_COMMAND", hint: "name a command: varve run app sh" });
  // as in docker run, an empty --entrypoint takes the image's Cmd away too
  await expect(run({ entrypoint: "" })).rejects.toMatchObject({ code: "BUILD_NO_COMMAND" });
});

test("a user that the image does not have is named", async () => {
  await expect(run({ args: ["x"], user: "nobody-here" })).rejects.toMatchObject({ code: "BUILD_USER_NOT_FOUND" });
});
