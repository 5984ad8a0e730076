export { build, checkFor, outlineFor, planFor, targetsFor } from "./build.ts";
export type { BuildEvent } from "./build-event.ts";
export type { BuildOptions, BuildResult, ImageForm, Output } from "./build-options.ts";
export type { CheckResult } from "./check/check.ts";
export type { OutlineResult, TargetsResult } from "./check/outline.ts";
export { hostPlatform } from "./host-platform.ts";
export type { RungChoice } from "./run/start-runner.ts";
export { runImage, type RunImageOptions, type RunImageResult } from "./run-image.ts";
