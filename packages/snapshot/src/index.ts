export { createRunner, type RunnerOptions } from "./create-runner.ts";
export type * from "./runner.ts";
