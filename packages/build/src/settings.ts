import { homedir } from "node:os";
import { join, resolve } from "node:path";
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
