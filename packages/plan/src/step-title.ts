import { expandWord, type Instruction } from "@varve/dockerfile";
import { isVarveError } from "@varve/errors";
import { formatPlatform } from "@varve/oci";
import { soleHeredoc } from "./instructions/heredoc-command.ts";
import type { StageInstruction, StageNode } from "./stage-node.ts";
import type { StageState } from "./stage-state.ts";

/** Numbers the steps of a stage as BuildKit does: `[build 2/5] RUN make`. */
export interface StepTitles {
  /** The title of the next step. */
  next(text: string, state?: StageState): string;
}

/** What titles show beside the step. */
export interface TitleOptions {
  /** True when the file has but this stage: its name is left out. */
  readonly single: boolean;
  /** True when several platforms are built: theirs comes first. */
  readonly withPlatform: boolean;
  readonly onbuild: () => boolean;
}

/** Creates the numbering of one stage. */
export function createStepTitles(node: StageNode, options: TitleOptions): StepTitles {
  const total = countSteps(node);
  let count = 0;
  return {
    next(text, state) {
      count++;
      const platform = options.withPlatform && state !== undefined ? `${formatPlatform(state.platform)} ` : "";
      const number = String(count).padStart(String(total).length);
      return `[${platform}${options.single ? "" : `${node.label} `}${number}/${total}] ${options.onbuild() ? "ONBUILD " : ""}${text}`;
    },
  };
}

/** FROM of an image, each COPY, ADD, RUN and WORKDIR, and every trigger. */
function countSteps(node: StageNode): number {
  const isStep = ({ instruction, trigger }: StageInstruction): boolean => trigger !== undefined || ["copy", "add", "run", "workdir"].includes(instruction.kind);
  return (node.origin.kind === "image" || node.origin.kind === "context" ? 1 : 0) + node.instructions.filter(isStep).length;
}

/** The text of an instruction for its title: the line with its variables replaced; RUN keeps its quotes and what is not set. */
export function instructionText(instruction: Instruction, escape: string, state: StageState): string {
  const line = instruction.original.trim() + heredocSummary(instruction);
  const upper = line.replace(/^\S+/, (word) => word.toUpperCase());
  try {
    const run = instruction.kind === "run";
    return expandWord(upper, { escape, lookup: (name) => state.variables.get(name), rawQuotes: run, keepUnset: run }).value;
  } catch (error) {
    if (isVarveError(error)) return upper;
    throw error;
  }
}

function heredocSummary(instruction: Instruction): string {
  const content = instruction.kind === "run" ? soleHeredoc(instruction)?.content : undefined;
  if (content === undefined) return "";
  const [first = "", ...rest] = content.trim().split(/\r?\n/);
  return ` (${first}${rest.length > 0 ? "..." : ""})`;
}
