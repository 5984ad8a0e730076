export { examineRungs, type RungReport } from "./examine-rungs.ts";
export { createRunner, type RunnerOptions } from "./create-runner.ts";
export type { RunMountSource, Runner, RunOutcome, RunStep, StackedLayer } from "./runner.ts";
