import type { WorkdirInstruction } from "@varve/dockerfile";
import { expandIn, type InstructionScope, spent } from "../instruction-scope.ts";
import { addHistory, addLayer, changeRuntime, runtimeOf } from "../stage-state.ts";
import { instructionText } from "../step-title.ts";
import { cleanUnixPath, nextWorkdir } from "../unix-path.ts";

/** WORKDIR: a layer that makes the directory, but for `/`. */
export function planWorkdir(scope: InstructionScope, instruction: WorkdirInstruction): void {
  const { state, naming, titles, vertices } = scope;
  const title = spent(scope, undefined, instructionText(instruction, naming.dockerfile.escape, state));
  const directory = nextWorkdir(runtimeOf(state).WorkingDir ?? "", expandIn(scope, instruction.path));
  changeRuntime(state, { WorkingDir: directory });
  const createdBy = `WORKDIR ${directory}`;
  if (directory === "/") return addHistory(state, createdBy);
  const id = vertices.add({
    id: scope.nextID(),
    kind: "workdir",
    title: titles.next(title, state),
    range: scope.range,
    parent: state.tip,
    path: cleanUnixPath(directory),
    user: runtimeOf(state).User ?? "",
  });
  addLayer(state, id);
  addHistory(state, createdBy, id);
}
