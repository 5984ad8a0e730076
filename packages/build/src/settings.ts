import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { VarveError } from "@varve/errors";
import { parsePlatform, type Platform } from "@varve/oci";
import type { PlanOptions } from "@varve/plan";
import type { BuildOptions } from "./build-options.ts";
import { hostPlatform } from "./host-platform.ts";

/** `$VARVE_HOME`, else `$XDG_DATA_HOME/varve`, else `~/.local/share/varve`. */
export function homeOf(options: Pick<BuildOptions, "home">): string {
  const named = options.home ?? process.env["VARVE_HOME"];
  if (named !== undefined && named !== "") return resolve(named);
  const data = process.env["XDG_DATA_HOME"];
  return join(data !== undefined && data !== "" ? data : join(homedir(), ".local", "share"), "varve");
}

/** Seconds since the epoch that stand for every time, from the option, the build argument or the environment. Throws BUILD_INVALID_OPTION. */
export function epochOf(options: Pick<BuildOptions, "sourceDateEpoch" | "buildArgs">): number | undefined {
  if (options.sourceDateEpoch !== undefined) return options.sourceDateEpoch;
  const text = options.buildArgs?.["SOURCE_DATE_EPOCH"] ?? process.env["SOURCE_DATE_EPOCH"];
  if (text === undefined || text === "") return undefined;
  // the last time a Date can hold
  if (!/^[0-9]+$/.test(text) || Number(text) > 8.64e12)
    throw new VarveError("BUILD_INVALID_OPTION", `SOURCE_DATE_EPOCH ${JSON.stringify(text)} is not a number of seconds`, {
      hint: "for example SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)",
    });
  return Number(text);
}

/** The platforms to build for, each once; `undefined` when the user named none. Throws OCI_INVALID_PLATFORM. */
export function platformsOf(options: Pick<BuildOptions, "platforms">): readonly (Platform | undefined)[] {
  const given = options.platforms ?? [];
  if (given.length === 0) return [undefined];
  const host = hostPlatform();
  const parsed = given.map((text) => (text === "local" ? host : parsePlatform(text, host)));
  return [...new Map(parsed.map((platform) => [JSON.stringify(platform), platform])).values()];
}

/** What the plan is made with. */
export function planOptionsOf(options: BuildOptions, platform: Platform | undefined): PlanOptions {
  return {
    ...(options.target === undefined ? {} : { target: options.target }),
    buildArgs: options.buildArgs ?? {},
    ...(platform === undefined ? {} : { platform }),
    buildPlatform: hostPlatform(),
    labels: options.labels ?? {},
    namedContexts: options.buildContexts ?? {},
    network: options.network ?? "default",
  };
}
