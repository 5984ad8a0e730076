import type { RunInstruction } from "@varve/dockerfile";
import { formatPlatform } from "@varve/oci";
import { type InstructionScope, placeOf, spent, workdirOf } from "../instruction-scope.ts";
import type { RunVertex } from "../plan.ts";
import { planError } from "../plan-error.ts";
import type { StageNode } from "../stage-node.ts";
import { addHistory, addLayer, runtimeOf, type StageState } from "../stage-state.ts";
import { instructionText } from "../step-title.ts";
import { cleanUnixPath } from "../unix-path.ts";
import { commandArguments } from "./command-instruction.ts";
import { soleHeredoc, withHeredocBodies } from "./heredoc-command.ts";
import { planMount } from "./run-mount.ts";

/** Where a script with `#!` is shown to the process. */
const PIPES = "/dev/pipes/";

/** RUN. `sources` are what the mounts' `from` name. */
export function planRun(scope: InstructionScope, instruction: RunInstruction, sources: readonly (StageNode | undefined)[]): void {
  const { state, naming, titles, vertices } = scope;
  const { args, pipes } = runCommand(state, instruction);
  if (state.platform.os === "windows")
    throw planError("PLAN_INVALID_INSTRUCTION", `RUN cannot be carried out for ${formatPlatform(state.platform)}`, placeOf(scope, undefined), {
      hint: "varve runs Linux programs only; for a Windows image it can COPY what was built elsewhere",
    });
  if (args.length === 0) throw planError("PLAN_INVALID_INSTRUCTION", "RUN has no command", placeOf(scope, undefined));
  const title = spent(scope, undefined, instructionText(instruction, naming.dockerfile.escape, state));
  const vertex: RunVertex = {
    id: scope.nextID(),
    kind: "run",
    title: titles.next(title, state),
    range: scope.range,
    parent: state.tip,
    args,
    pipes,
    env: [...state.variables].map(([name, value]) => `${name}=${value}`),
    buildArgs: [...state.fromArg],
    user: runtimeOf(state).User ?? "",
    workdir: cleanUnixPath(workdirOf(scope)),
    mounts: instruction.mounts.map((mount, at) => planMount(scope, mount, sources[at])),
    network: instruction.network === "none" || instruction.network === "host" ? instruction.network : naming.options.network,
    security: instruction.security === "insecure" ? "insecure" : "sandbox",
  };
  vertices.add(vertex);
  addLayer(state, vertex.id);
  addHistory(state, spent(scope, undefined, `RUN ${[...declaredArgs(state), ...args].join(" ")} # buildkit`), vertex.id);
}

function runCommand(state: StageState, instruction: RunInstruction): Pick<RunVertex, "args" | "pipes"> {
  const { command, heredocs } = instruction;
  const script = soleHeredoc(instruction);
  if (script !== undefined && script.content.startsWith("#!") && state.config.os !== "windows") {
    const file = { name: script.name, content: script.content };
    return { args: commandArguments(state, { form: "shell", text: cleanUnixPath(PIPES + script.name) }), pipes: [file] };
  }
  if (script !== undefined) return { args: commandArguments(state, { form: "shell", text: script.content }), pipes: [] };
  const whole = command.form === "shell" ? { ...command, text: withHeredocBodies(command.text, heredocs) } : command;
  return { args: commandArguments(state, whole), pipes: [] };
}

/** What history shows before the command: `|2 A=1 B=2`, each ARG in scope once, with the value the process sees. */
function declaredArgs(state: StageState): readonly string[] {
  const shown = new Map<string, string>();
  for (const { name, value } of state.args) shown.set(name, `${name}=${state.variables.get(name) ?? value ?? ""}`);
  return shown.size === 0 ? [] : [`|${shown.size}`, ...shown.values()];
}
