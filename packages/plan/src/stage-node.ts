import type { Instruction, Stage } from "@varve/dockerfile";
import type { SourceRange } from "@varve/errors";
import type { Platform } from "@varve/oci";

/** What a stage starts from. */
export type StageOrigin =
  | { readonly kind: "stage"; readonly node: StageNode }
  | { readonly kind: "scratch" }
  | { readonly kind: "image"; readonly reference: string; readonly platform: Platform }
  /** A build context, by its name in the options. */
  | { readonly kind: "context"; readonly name: string };

/** One instruction of a stage, with where it came from. */
export interface StageInstruction {
  readonly instruction: Instruction;
  /** The text of the ONBUILD trigger it is, when it is one. */
  readonly trigger?: string;
  /** What `--from` or the mounts' `from` mean, in order; `undefined` where there is none. */
  readonly sources: readonly (StageNode | undefined)[];
}

/** A stage of the file, or an image or context that a COPY or mount names (then without a `stage`). Filled while the graph is built, then left alone. */
export interface StageNode {
  /** Position in the file, then in order of first mention. */
  readonly index: number;
  /** As progress shows it: its name, or `stage-3`. */
  readonly label: string;
  readonly stage?: Stage;
  readonly origin: StageOrigin;
  /** Where FROM, or what names it, stands. */
  readonly range: SourceRange;
  /** FROM's platform when it says one. */
  readonly platform?: Platform;
  /** True when a named context stands in for the stage: its instructions don't count. */
  readonly replaced: boolean;
  /** Triggers of the base first. */
  instructions: readonly StageInstruction[];
  /** How many of `instructions` are triggers; `undefined` until the base's triggers are known. */
  triggers: number | undefined;
}
