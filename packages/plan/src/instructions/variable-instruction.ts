import type { ArgInstruction, EnvInstruction } from "@varve/dockerfile";
import { expandIn, type InstructionScope } from "../instruction-scope.ts";
import { addHistory, changeRuntime, type DeclaredArg, runtimeOf } from "../stage-state.ts";
import { ownValue, setVariable } from "../variables.ts";

/** ARGs that steer the builder and are kept from processes. */
const BUILDER_ARGS = new Set(["BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE"]);

/** ENV: every value is expanded with what was set before the line. */
export function planEnv(scope: InstructionScope, instruction: EnvInstruction): void {
  const pairs = instruction.pairs.map(({ key, value }) => ({ name: expandIn(scope, key), value: expandIn(scope, value) }));
  for (const { name, value } of pairs) {
    setVariable(scope.state.variables, name, value);
    scope.state.fromArg.delete(name);
    changeRuntime(scope.state, { Env: withPair(runtimeOf(scope.state).Env ?? [], name, value) });
  }
  addHistory(scope.state, ["ENV", ...pairs.map(({ name, value }) => `${name}=${value}`)].join(" "));
}

/** A name that is there already keeps its place. */
function withPair(env: readonly string[], name: string, value: string): readonly string[] {
  const prefix = `${name}=`;
  const at = env.findIndex((pair) => pair === name || pair.startsWith(prefix));
  return at < 0 ? [...env, prefix + value] : env.with(at, prefix + value);
}

/** ARG: `--build-arg` wins over the default, the default over the global of that name. Each is set before the next is looked at. */
export function planArg(scope: InstructionScope, instruction: ArgInstruction): void {
  const { state } = scope;
  const shown: string[] = [];
  for (const { name, value } of instruction.args) {
    const { options, globals } = scope.naming;
    const imported = value === undefined && ownValue(options.buildArgs, name.value) === undefined && globals.has(name.value);
    const arg: DeclaredArg = { name: name.value, value: argValue(scope, name.value, value), range: scope.range, imported };
    if (arg.value !== undefined && !BUILDER_ARGS.has(arg.name)) {
      setVariable(state.variables, arg.name, arg.value);
      state.fromArg.add(arg.name);
    }
    state.args.push(arg);
    shown.push(arg.value === undefined ? arg.name : `${arg.name}=${arg.value}`);
  }
  addHistory(state, `ARG ${shown.join(" ")}`);
}

function argValue(scope: InstructionScope, name: string, fallback: ArgInstruction["args"][number]["value"]): string | undefined {
  const { options, globals } = scope.naming;
  return ownValue(options.buildArgs, name) ?? (fallback === undefined ? globals.get(name) : expandIn(scope, fallback));
}
