import {
  expandWords,
  type ExposeInstruction,
  type LabelInstruction,
  type MaintainerInstruction,
  type OnbuildInstruction,
  type StopSignalInstruction,
  type UserInstruction,
  type VolumeInstruction,
} from "@varve/dockerfile";
import { goList } from "../go-format.ts";
import { expandIn, type InstructionScope, placeOf } from "../instruction-scope.ts";
import { ENTRY } from "../plan-budget.ts";
import { excerptOf, planError } from "../plan-error.ts";
import { parsePortSpec } from "../port-spec.ts";
import { addHistory, changeRuntime, runtimeOf } from "../stage-state.ts";
import { isStopSignal } from "../stop-signal.ts";

/** LABEL merges into the labels there are. */
export function planLabel(scope: InstructionScope, instruction: LabelInstruction): void {
  const pairs = instruction.pairs.map(({ key, value }) => [expandIn(scope, key), expandIn(scope, value)] as const);
  changeRuntime(scope.state, { Labels: Object.fromEntries([...Object.entries(runtimeOf(scope.state).Labels ?? {}), ...pairs]) });
  addHistory(scope.state, ["LABEL", ...pairs.map(([key, value]) => `${key}=${value}`)].join(" "));
}

/** EXPOSE: the only instruction whose words are split after expansion. */
export function planExpose(scope: InstructionScope, instruction: ExposeInstruction): void {
  const { variables } = scope.state;
  const ports = instruction.ports.flatMap(({ value, range }) => {
    const place = placeOf(scope, range);
    const words = expandWords(value, { escape: place.dockerfile.escape, lookup: (name) => variables.get(name), source: excerptOf(place) }).values;
    return words.flatMap((word) => {
      const spec = parsePortSpec(word);
      if ("reason" in spec)
        throw planError("PLAN_INVALID_INSTRUCTION", `EXPOSE ${word}: ${spec.reason}`, place, {
          hint: "write a port, a range or either with a protocol: 80, 8000-8003, 53/udp",
        });
      scope.naming.budget.spend(spec.ports.length * ENTRY, place);
      return spec.ports;
    });
  });
  changeRuntime(scope.state, {
    ExposedPorts: Object.fromEntries([...Object.entries(runtimeOf(scope.state).ExposedPorts ?? {}), ...ports.map((port) => [port, {}] as const)]),
  });
  addHistory(scope.state, `EXPOSE ${goList(ports)}`);
}

/** USER, for what follows and for containers. */
export function planUser(scope: InstructionScope, instruction: UserInstruction): void {
  const user = expandIn(scope, instruction.user);
  changeRuntime(scope.state, { User: user });
  addHistory(scope.state, `USER ${user}`);
}

/** VOLUME adds to the set; it makes no directory. */
export function planVolume(scope: InstructionScope, instruction: VolumeInstruction): void {
  const volumes = instruction.volumes.map((word) => {
    const volume = expandIn(scope, word);
    if (volume === "")
      throw planError("PLAN_INVALID_INSTRUCTION", `VOLUME ${word.value} is an empty path`, placeOf(scope, word.range), {
        hint: "set the variable before, or write a path",
      });
    return volume;
  });
  changeRuntime(scope.state, {
    Volumes: Object.fromEntries([...Object.entries(runtimeOf(scope.state).Volumes ?? {}), ...volumes.map((volume) => [volume, {}] as const)]),
  });
  addHistory(scope.state, `VOLUME ${goList(volumes)}`);
}

/** STOPSIGNAL, kept as written once it is known to be a signal. */
export function planStopSignal(scope: InstructionScope, instruction: StopSignalInstruction): void {
  const signal = expandIn(scope, instruction.signal);
  if (!isStopSignal(signal))
    throw planError("PLAN_INVALID_INSTRUCTION", `invalid signal ${JSON.stringify(signal)}`, placeOf(scope, instruction.signal.range), {
      hint: "write a name such as SIGTERM, or a number",
    });
  changeRuntime(scope.state, { StopSignal: signal });
  addHistory(scope.state, `STOPSIGNAL ${signal}`);
}

/** MAINTAINER sets the image's author. */
export function planMaintainer(scope: InstructionScope, { maintainer }: MaintainerInstruction): void {
  scope.state.config = { ...scope.state.config, author: maintainer };
  addHistory(scope.state, `MAINTAINER ${maintainer}`);
}

/** ONBUILD is only kept, as text; it writes no history. */
export function planOnbuild(scope: InstructionScope, { trigger }: OnbuildInstruction): void {
  changeRuntime(scope.state, { OnBuild: [...(runtimeOf(scope.state).OnBuild ?? []), trigger] });
}
