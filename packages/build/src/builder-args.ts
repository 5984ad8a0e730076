import { isForeignFrontend, parseGoBoolean } from "@varve/dockerfile";
import { VarveError } from "@varve/errors";
import { CHECK_ARG } from "@varve/plan";
import type { BuildOptions } from "./build-options.ts";

/** Build arguments that say how to build, as BuildKit's frontend reads them (frontend/dockerui/config.go). */
export interface BuilderArgs {
  /** Of the machine a step sees. */
  readonly hostname: string;
  /** Cache mounts of another namespace are others; `""` for the usual one. */
  readonly cacheNamespace: string;
  /** A git context has its `.git`. */
  readonly keepGitDir: boolean;
  /** The result is an index for one platform too. */
  readonly multiPlatform: boolean;
}

const HEEDED = [
  "BUILDKIT_SANDBOX_HOSTNAME",
  "BUILDKIT_CACHE_MOUNT_NS",
  "BUILDKIT_CONTEXT_KEEP_GIT_DIR",
  "BUILDKIT_MULTI_PLATFORM",
  "BUILDKIT_SYNTAX",
  CHECK_ARG,
  // for a scan that is not made here, and by what the file declares
  "BUILDKIT_SBOM_SCAN_CONTEXT",
  "BUILDKIT_SBOM_SCAN_STAGE",
];

/** Reads the arguments that have a meaning here. Throws BUILD_INVALID_OPTION. */
export function builderArgsOf({ buildArgs = {}, platforms = [] }: Pick<BuildOptions, "buildArgs" | "platforms">): BuilderArgs {
  const hostname = buildArgs["BUILDKIT_SANDBOX_HOSTNAME"] ?? "";
  return {
    hostname: hostname === "" ? "buildkitsandbox" : hostname,
    cacheNamespace: buildArgs["BUILDKIT_CACHE_MOUNT_NS"] ?? "",
    // a value that is no boolean is as none, as in BuildKit
    keepGitDir: parseGoBoolean(buildArgs["BUILDKIT_CONTEXT_KEEP_GIT_DIR"] ?? "") ?? false,
    multiPlatform: multiPlatform(buildArgs["BUILDKIT_MULTI_PLATFORM"] ?? "", platforms.length > 1),
  };
}

function multiPlatform(text: string, several: boolean): boolean {
  if (text === "") return several;
  const asked = parseGoBoolean(text);
  if (asked === undefined)
    throw new VarveError("BUILD_INVALID_OPTION", `BUILDKIT_MULTI_PLATFORM=${text} is neither true nor false`, { hint: "write 1, or leave it out" });
  if (!asked && several)
    throw new VarveError("BUILD_INVALID_OPTION", `BUILDKIT_MULTI_PLATFORM=${text} excludes several platforms`, { hint: "leave it out, or name one platform" });
  return asked;
}

/** What is to be said of build arguments for the builder that change nothing here. */
export function unheededArgs({ buildArgs = {} }: Pick<BuildOptions, "buildArgs">): readonly string[] {
  const frontend = buildArgs["BUILDKIT_SYNTAX"] ?? "";
  return [
    ...(frontend === "" || !isForeignFrontend(frontend) ? [] : [`BUILDKIT_SYNTAX: frontend ${frontend} is not fetched, the file is read as a Dockerfile`]),
    ...Object.keys(buildArgs)
      .filter((name) => name.startsWith("BUILDKIT_") && !HEEDED.includes(name))
      .map((name) => `the build argument ${name} changes nothing here`),
  ];
}
