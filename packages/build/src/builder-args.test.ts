import { isVarveError } from "@varve/errors";
import { expect, it } from "vitest";
import { builderArgsOf, unheededArgs } from "./builder-args.ts";

it("without any of them, as BuildKit", () => {
  expect(builderArgsOf({})).toEqual({ hostname: "buildkitsandbox", cacheNamespace: "", keepGitDir: false, multiPlatform: false });
  expect(builderArgsOf({ platforms: ["linux/amd64", "linux/arm64"] }).multiPlatform).toBe(true);
});

it("reads what it is given", () => {
  const buildArgs = {
    BUILDKIT_SANDBOX_HOSTNAME: "h",
    BUILDKIT_CACHE_MOUNT_NS: "n",
    BUILDKIT_CONTEXT_KEEP_GIT_DIR: "T",
    BUILDKIT_MULTI_PLATFORM: "1",
    BUILDKIT_SYNTAX: "docker/dockerfile:1",
  };
  expect(builderArgsOf({ buildArgs })).toEqual({ hostname: "h", cacheNamespace: "n", keepGitDir: true, multiPlatform: true });
  expect(unheededArgs({ buildArgs })).toEqual([]);
});

it("refuses what contradicts itself", () => {
  for (const [BUILDKIT_MULTI_PLATFORM, platforms] of [
    ["0", ["linux/amd64", "linux/arm64"]],
    ["yes", []],
  ] as const) {
    let thrown: unknown;
    try {
      builderArgsOf({ platforms, buildArgs: { BUILDKIT_MULTI_PLATFORM } });
    } catch (error) {
      thrown = error;
    }
    expect(isVarveError(thrown, "BUILD_INVALID_OPTION")).toBe(true);
  }
});

it("names what changes nothing", () => {
  expect(unheededArgs({ buildArgs: { BUILDKIT_INLINE_CACHE: "1", BUILDKIT_SYNTAX: "some/frontend", A: "1" } })).toEqual([
    "BUILDKIT_SYNTAX: frontend some/frontend is not fetched, the file is read as a Dockerfile",
    "the build argument BUILDKIT_INLINE_CACHE changes nothing here",
  ]);
});
