import type { SourceRange } from "@varve/errors";
import type { Dockerfile } from "./ast.ts";
import { descriptionOf } from "./comment.ts";

/** A stage as something to build. */
export interface Target {
  /** Lower case; absent for a stage without a name. */
  readonly name?: string;
  /** True for the last stage: it is built when no target is named. */
  readonly default: boolean;
  /** From a comment `# name …` above FROM. */
  readonly description?: string;
  /** What FROM names, variables not expanded. */
  readonly base: string;
  /** `--platform` of FROM, variables not expanded. */
  readonly platform?: string;
  /** Of FROM. */
  readonly range: SourceRange;
}

/** The stages of a file, in order. */
export function listTargets(dockerfile: Dockerfile): readonly Target[] {
  return dockerfile.stages.map(({ from, name }, index) => {
    const description = name === undefined ? undefined : descriptionOf(dockerfile, from, name);
    return {
      ...(name === undefined ? {} : { name }),
      default: index === dockerfile.stages.length - 1,
      ...(description === undefined ? {} : { description }),
      base: from.image.value,
      ...(from.platform === undefined ? {} : { platform: from.platform }),
      range: from.range,
    };
  });
}
