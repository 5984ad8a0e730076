import type { CommandForm, CommandInstruction, HealthcheckInstruction, ShellInstruction } from "@varve/dockerfile";
import type { Healthcheck } from "@varve/oci";
import { goDuration, goList, goQuoteList } from "../go-format.ts";
import type { InstructionScope } from "../instruction-scope.ts";
import { addHistory, changeRuntime, runtimeOf, type StageState } from "../stage-state.ts";

/** What a shell-form command is run with where no SHELL was said. */
const DEFAULT_SHELL = ["/bin/sh", "-c"];
const WINDOWS_SHELL = ["cmd", "/S", "/C"];

/** A command as argv: the exec form as it is, the shell form as one argument after the SHELL. */
export function commandArguments(state: StageState, command: CommandForm): readonly string[] {
  if (command.form === "exec") return command.args;
  return [...(runtimeOf(state).Shell ?? (state.config.os === "windows" ? WINDOWS_SHELL : DEFAULT_SHELL)), command.text];
}

/** CMD. `ArgsEscaped` is set with it, as Docker does on every system. */
export function planCmd({ state }: InstructionScope, instruction: CommandInstruction): void {
  const args = commandArguments(state, instruction.command);
  changeRuntime(state, { Cmd: args, ArgsEscaped: true });
  state.hasCommand = true;
  addHistory(state, `CMD ${goQuoteList(args)}`);
}

/** ENTRYPOINT clears a CMD that comes from the base, not one this stage has set. */
export function planEntrypoint({ state }: InstructionScope, instruction: CommandInstruction): void {
  const args = commandArguments(state, instruction.command);
  changeRuntime(state, { Entrypoint: args, ...(state.hasCommand ? {} : { Cmd: null }) });
  addHistory(state, `ENTRYPOINT ${goQuoteList(args)}`);
}

/** SHELL, for the shell forms that follow. */
export function planShell({ state }: InstructionScope, { shell }: ShellInstruction): void {
  changeRuntime(state, { Shell: shell });
  addHistory(state, `SHELL ${goList(shell)}`);
}

/** HEALTHCHECK replaces the whole check; zeros mean inherit and are left out. The shell form has no SHELL in it: the runtime adds its own. */
export function planHealthcheck({ state }: InstructionScope, instruction: HealthcheckInstruction): void {
  const { interval = 0, timeout = 0, startPeriod = 0, startInterval = 0, retries = 0 } = instruction;
  const test = healthTest(instruction);
  const check: Healthcheck = {
    Test: test,
    ...(interval === 0 ? {} : { Interval: interval }),
    ...(timeout === 0 ? {} : { Timeout: timeout }),
    ...(startPeriod === 0 ? {} : { StartPeriod: startPeriod }),
    ...(startInterval === 0 ? {} : { StartInterval: startInterval }),
    ...(retries === 0 ? {} : { Retries: retries }),
  };
  changeRuntime(state, { Healthcheck: check });
  const times = `Interval:${goDuration(interval)} Timeout:${goDuration(timeout)} StartPeriod:${goDuration(startPeriod)} StartInterval:${goDuration(startInterval)}`;
  addHistory(state, `HEALTHCHECK {Test:${goList(test)} ${times} Retries:${retries}}`);
}

function healthTest({ none, test }: HealthcheckInstruction): readonly string[] {
  if (none || test === undefined) return ["NONE"];
  return test.form === "exec" ? ["CMD", ...test.args] : ["CMD-SHELL", test.text];
}
