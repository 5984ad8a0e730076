export { createRunner, type RunnerOptions } from "./create-runner.ts";
export type { RunMountSource, Runner, RunOutcome, RunStep, StackedLayer } from "./runner.ts";
