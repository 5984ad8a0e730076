import { type ArgInstruction, expandHeredoc, expandWord, type Instruction, type Word } from "@varve/dockerfile";
import { attempt } from "./attempt.ts";

/** Whether a variable is there. */
export type IsSet = (name: string) => boolean;

/** Names an instruction expands that are not there, a name once for every word it stands in. Shell forms are the shell's to expand. */
export function unsetNames(instruction: Instruction, escape: string, isSet: IsSet): readonly string[] {
  const lookup = (name: string): string | undefined => (isSet(name) ? "x" : undefined);
  const inHeredocs = instruction.kind === "copy" || instruction.kind === "add" ? instruction.heredocs.filter(({ expand }) => expand) : [];
  return [
    ...expandedWords(instruction).flatMap((word) => attempt(() => expandWord(word, { escape, lookup }).unset) ?? []),
    ...inHeredocs.flatMap(({ content }) => attempt(() => expandHeredoc(content, { lookup }).unset) ?? []),
  ];
}

/** As {@link unsetNames}, for one default of an ARG. */
export function unsetInDefault(value: NonNullable<ArgInstruction["args"][number]["value"]>, escape: string, isSet: IsSet): readonly string[] {
  return attempt(() => expandWord(value.value, { escape, lookup: (name) => (isSet(name) ? "x" : undefined) }).unset) ?? [];
}

function expandedWords(instruction: Instruction): readonly string[] {
  const values = (words: readonly Word[]): readonly string[] => words.map(({ value }) => value);
  switch (instruction.kind) {
    case "env":
    case "label":
      return instruction.pairs.flatMap(({ key, value }) => values([key, value]));
    case "copy":
    case "add": {
      const flags = [instruction.chown, instruction.chmod, instruction.checksum].filter((value) => value !== undefined);
      return [...flags, ...values(instruction.sources), instruction.destination.value];
    }
    case "workdir":
      return [instruction.path.value];
    case "user":
      return [instruction.user.value];
    case "stopsignal":
      return [instruction.signal.value];
    case "volume":
      return values(instruction.volumes);
    case "run":
      return instruction.mounts.flatMap(({ fields }) => fields.flatMap(({ value }) => value ?? []));
    default:
      return [];
  }
}
