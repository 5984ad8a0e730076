import { expect, it } from "vitest";
import { build, checkFor, planFor } from "./build.ts";
import type { BuildOptions } from "./build-options.ts";

const invalid = (message: string | RegExp, hint?: string): object => ({
  code: "BUILD_INVALID_OPTION",
  message: typeof message === "string" ? message : (expect.stringMatching(message) as string),
  ...(hint === undefined ? {} : { hint }),
});

it.each<readonly [unknown, object]>([
  [undefined, invalid('option "options" must be an object, not undefined')],
  ["context", invalid('option "options" must be an object, not "context"')],
  [{}, invalid('option "context" is missing')],
  [{ context: ".", tag: ["x"] }, invalid('unknown option "tag"', "did you mean tags?")],
  [{ context: ".", frobnicate: 1 }, invalid(/^unknown option "frobnicate"$/)],
  [{ context: 5 }, invalid('option "context" must be a string, not 5')],
  [{ context: ".", tags: "app:1" }, invalid('option "tags" must be an array, not "app:1"')],
  [{ context: ".", tags: ["app", null] }, invalid('option "tags[1]" must be a string, not null')],
  [{ context: ".", push: "yes" }, invalid('option "push" must be true or false, not "yes"')],
  [{ context: ".", buildArgs: ["A=1"] }, invalid('option "buildArgs" must be an object, not an array')],
  [{ context: ".", buildArgs: { A: 1 } }, invalid('option "buildArgs.A" must be a string, not 1')],
  [{ context: ".", network: "bridge" }, invalid('option "network" must be "default" or "none" or "host", not "bridge"')],
  [{ context: ".", shmSize: -1 }, invalid('option "shmSize" must be a whole number of 0 or more, not -1')],
  [{ context: ".", ulimits: [{ name: "nofile", soft: 1 }] }, invalid('option "ulimits[0].hard" is missing')],
  [{ context: ".", secrets: [{ id: "x", src: "y" }] }, invalid('unknown option "secrets[0].src"')],
  [{ context: ".", signal: {} }, invalid('option "signal" must be an AbortSignal, not an object')],
  [{ context: ".", onProgress: "x" }, invalid('option "onProgress" must be a function, not "x"')],
  [{ context: ".", outputs: [{ type: "zip", dest: "x" }] }, invalid(/^option "outputs\[0\]\.type" must be "image" or .*, not "zip"$/)],
  [{ context: ".", outputs: [{ type: "local" }] }, invalid('option "outputs[0].dest" is missing')],
])("%j is refused", async (options, error) => {
  for (const use of [build, planFor, checkFor]) await expect(use(options as BuildOptions)).rejects.toMatchObject(error);
});

it("a signal that is aborted already ends it before anything is done", async () => {
  await expect(build({ context: "/nowhere", home: "/proc/nowhere", signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "BUILD_CANCELLED" });
});
