import type { SourceRange } from "@varve/errors";
import type { StageNode } from "./stage-node.ts";
import type { StageState } from "./stage-state.ts";
import type { Naming } from "./stage-names.ts";
import type { Place } from "./plan-error.ts";
import type { VertexID } from "./plan.ts";
import type { VertexList } from "./vertex-list.ts";
import { expandAt } from "./variables.ts";
import type { StepTitles } from "./step-title.ts";

/** What carrying out one instruction needs. */
export interface InstructionScope {
  readonly naming: Naming;
  readonly node: StageNode;
  readonly state: StageState;
  readonly vertices: VertexList;
  readonly titles: StepTitles;
  /** Of the trigger, when the instruction is one. */
  readonly trigger: string | undefined;
  /** Of the instruction in the Dockerfile; of FROM for a trigger. */
  readonly range: SourceRange;
  /** A name no other vertex of the plan has. */
  nextID(): VertexID;
  warn(rule: string, message: string, range: SourceRange): void;
  /** The tree of a source of this instruction. Throws PLAN_STAGE_ORDER when its stage comes later. */
  sourceVertex(source: StageNode, place: Place): VertexID;
}

/** The place of a part of the instruction: errors in triggers show FROM, since their text is not in the file. */
export function placeOf(scope: InstructionScope, range: SourceRange | undefined): Place {
  return { dockerfile: scope.naming.dockerfile, range: scope.trigger === undefined ? (range ?? scope.range) : scope.range, trigger: scope.trigger };
}

/** Expands a word with the values from before this instruction. Throws DOCKERFILE_EXPANSION, PLAN_TOO_LARGE. */
export function expandIn(scope: InstructionScope, word: { readonly value: string; readonly range?: SourceRange | undefined }): string {
  return spent(scope, word.range, expandAt(word.value, scope.state.variables, placeOf(scope, word.range)));
}

/** A text that variables gave, once the plan's budget has paid for it. Throws PLAN_TOO_LARGE. */
export function spent(scope: InstructionScope, range: SourceRange | undefined, text: string): string {
  scope.naming.budget.spend(text.length, placeOf(scope, range));
  return text;
}

/** The stage's working directory, absolute; `/` where none is set. */
export function workdirOf(scope: InstructionScope): string {
  return scope.state.config.config?.WorkingDir ?? "/";
}
