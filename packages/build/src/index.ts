export type { BuildEvent } from "./build-event.ts";
export type { BuildOptions, BuildResult, Output } from "./build-options.ts";
