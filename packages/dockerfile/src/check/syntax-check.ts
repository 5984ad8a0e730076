import { CHECK } from "./check-options.ts";
import type { ArgInstruction, Dockerfile, FromInstruction, Instruction, Warning } from "../ast.ts";

const RESERVED = new Set(["context", "scratch"]);

/**
 * What BuildKit's checks find by looking at the text alone, the parser's own warnings included, in the order of the text. Experimental
 * rules are in it; `selectWarnings` leaves out what the file doesn't want.
 */
export function checkSyntax(dockerfile: Dockerfile): readonly Warning[] {
  const froms = dockerfile.stages.map(({ from }) => from);
  const instructions = dockerfile.stages.flatMap((stage) => [stage.from, ...stage.instructions]);
  const found = [
    ...dockerfile.warnings,
    ...froms.flatMap((from) => fromCasing(from)),
    ...stageNames(froms),
    ...casing(instructions),
    ...descriptions(dockerfile, [...dockerfile.globalArgs, ...instructions]),
  ];
  return found.toSorted((a, b) => a.range.start.line - b.range.start.line);
}

/** An instruction's word as it is written. */
export function writtenKeyword({ original, keyword }: Instruction): string {
  return original.slice(0, keyword.length);
}

function fromCasing(from: FromInstruction): readonly Warning[] {
  const { alias, range } = from;
  if (alias === undefined) return [];
  const found: Warning[] = [];
  if (alias.value !== alias.value.toLowerCase()) found.push({ rule: "StageNameCasing", message: `Stage name '${alias.value}' should be lowercase`, range });
  const word = writtenKeyword(from);
  const as = /[\s\\`](as)\s\S+\s*$/i.exec(from.original)?.[1] ?? from.original.slice(from.original.indexOf(from.image.value)).split(/\s+/)[1] ?? "";
  // a word of mixed casing is ConsistentInstructionCasing's
  const wanted = word === word.toLowerCase() ? as.toLowerCase() : word === word.toUpperCase() ? as.toUpperCase() : as;
  if (as !== wanted) found.push({ rule: "FromAsCasing", message: `'${as}' and '${word}' keywords' casing do not match`, range });
  return found;
}

function stageNames(froms: readonly FromInstruction[]): readonly Warning[] {
  const seen = new Set<string>();
  return froms.flatMap(({ alias, range }): readonly Warning[] => {
    const name = alias?.value.toLowerCase();
    if (name === undefined) return [];
    const found: Warning[] = [];
    if (RESERVED.has(name))
      found.push({ rule: "ReservedStageName", message: `Stage name should not use the same name as reserved stage ${JSON.stringify(name)}`, range });
    if (seen.has(name))
      found.push({ rule: "DuplicateStageName", message: `Duplicate stage name ${JSON.stringify(name)}, stage names should be unique`, range });
    seen.add(name);
    return found;
  });
}

/** Against the majority of words that are all upper or all lower case; ARGs before the first FROM don't count. */
function casing(instructions: readonly Instruction[]): readonly Warning[] {
  const words = instructions.map((instruction) => ({ word: writtenKeyword(instruction), range: instruction.range }));
  const lower = words.filter(({ word }) => word === word.toLowerCase()).length;
  const upper = words.filter(({ word }) => word === word.toUpperCase()).length;
  const wanted = lower > upper ? "lowercase" : "uppercase";
  return words
    .filter(({ word }) => word !== (wanted === "lowercase" ? word.toLowerCase() : word.toUpperCase()))
    .map(({ word, range }) => ({
      rule: "ConsistentInstructionCasing",
      message: `Command '${word}' should match the case of the command majority (${wanted})`,
      range,
    }));
}

/** Comments right above an ARG or a named FROM should start with the name they describe. */
function descriptions({ text }: Dockerfile, instructions: readonly Instruction[]): readonly Warning[] {
  return instructions.flatMap((instruction): readonly Warning[] => {
    const names = definedNames(instruction);
    const comment = names.length === 0 ? undefined : commentAbove(text, instruction.range.start.offset);
    if (comment === undefined || comment === "" || CHECK.test(comment) || names.includes(comment.split(" ", 1)[0] ?? "")) return [];
    const shown = names.length > 1 ? "<arg_key>" : names[0];
    return [
      {
        rule: "InvalidDefinitionDescription",
        message: `Comment for ${instruction.keyword} should follow the format: \`# ${shown} <description>\``,
        range: instruction.range,
      },
    ];
  });
}

function definedNames(instruction: Instruction): readonly string[] {
  if (instruction.kind === "from") return instruction.alias === undefined ? [] : [instruction.alias.value.toLowerCase()];
  return instruction.kind === "arg" ? (instruction satisfies ArgInstruction).args.map(({ name }) => name.value) : [];
}

/** The comment on the line before, without its `#`. */
function commentAbove(text: string, offset: number): string | undefined {
  const lineStart = text.lastIndexOf("\n", offset - 1);
  if (lineStart <= 0) return undefined;
  const above = text.slice(text.lastIndexOf("\n", lineStart - 1) + 1, lineStart).trim();
  return above.startsWith("#") ? above.slice(1).trim() : undefined;
}
