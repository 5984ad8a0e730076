import type { Instruction } from "@varve/dockerfile";
import { type InstructionScope, placeOf } from "./instruction-scope.ts";
import { planCmd, planEntrypoint, planHealthcheck, planShell } from "./instructions/command-instruction.ts";
import { planExpose, planLabel, planMaintainer, planOnbuild, planStopSignal, planUser, planVolume } from "./instructions/metadata-instruction.ts";
import { planRun } from "./instructions/run-instruction.ts";
import { planTransfer } from "./instructions/transfer-instruction.ts";
import { planArg, planEnv } from "./instructions/variable-instruction.ts";
import { planWorkdir } from "./instructions/workdir-instruction.ts";
import { ENTRY } from "./plan-budget.ts";
import type { StageInstruction } from "./stage-node.ts";
import { runtimeOf, type StageState } from "./stage-state.ts";

/** Carries out one instruction on the state of its stage. */
export function planInstruction(scope: InstructionScope, { instruction, sources }: StageInstruction): void {
  scope.naming.budget.spend(copiedEntries(scope.state, instruction) * ENTRY, placeOf(scope, undefined));
  switch (instruction.kind) {
    case "from":
      throw new TypeError("FROM opens a stage, it is no instruction of one");
    case "run":
      return planRun(scope, instruction, sources);
    case "copy":
    case "add":
      return planTransfer(scope, instruction, sources[0]);
    case "env":
      return planEnv(scope, instruction);
    case "arg":
      return planArg(scope, instruction);
    case "workdir":
      return planWorkdir(scope, instruction);
    case "label":
      return planLabel(scope, instruction);
    case "expose":
      return planExpose(scope, instruction);
    case "user":
      return planUser(scope, instruction);
    case "volume":
      return planVolume(scope, instruction);
    case "cmd":
      return planCmd(scope, instruction);
    case "entrypoint":
      return planEntrypoint(scope, instruction);
    case "shell":
      return planShell(scope, instruction);
    case "healthcheck":
      return planHealthcheck(scope, instruction);
    case "stopsignal":
      return planStopSignal(scope, instruction);
    case "maintainer":
      return planMaintainer(scope, instruction);
    case "onbuild":
      return planOnbuild(scope, instruction);
  }
}

/** How many entries an instruction copies, since every state of a stage has lists of its own. */
function copiedEntries(state: StageState, instruction: Instruction): number {
  const { Env, Labels, ExposedPorts, Volumes, OnBuild } = runtimeOf(state);
  switch (instruction.kind) {
    case "run":
      return state.variables.size;
    case "env":
      return (Env?.length ?? 0) * instruction.pairs.length;
    case "label":
      return Object.keys(Labels ?? {}).length;
    case "expose":
      return Object.keys(ExposedPorts ?? {}).length;
    case "volume":
      return Object.keys(Volumes ?? {}).length;
    case "onbuild":
      return OnBuild?.length ?? 0;
    default:
      return 0;
  }
}
