import { listTargets, parseDockerfile, type Target } from "@varve/dockerfile";
import { type Outline, outlineTarget } from "@varve/plan";
import type { BuildOptions } from "../build-options.ts";
import type { Definition } from "../definition.ts";
import { type PlanningScope, resolveBases } from "../planning.ts";
import { planOptionsOf, platformsOf } from "../settings.ts";

/** What a target takes, and the text it is read from. */
export interface OutlineResult {
  /** The Dockerfile's text. */
  readonly text: string;
  readonly outline: Outline;
}

/** What can be built, and the text it is read from. */
export interface TargetsResult {
  /** The Dockerfile's text. */
  readonly text: string;
  /** In the order of the text. */
  readonly targets: readonly Target[];
}

/** The outline of the target, for the first of several platforms. */
export async function outlineDefinition({ text, file }: Definition, options: BuildOptions, scope: PlanningScope): Promise<OutlineResult> {
  const dockerfile = parseDockerfile(text, { file });
  const planOptions = planOptionsOf(options, platformsOf(options)[0]);
  return { text, outline: outlineTarget(dockerfile, planOptions, await resolveBases(dockerfile, planOptions, scope)) };
}

/** The targets of a definition; no base is looked at. */
export function targetsOfDefinition({ text, file }: Definition): TargetsResult {
  return { text, targets: listTargets(parseDockerfile(text, { file })) };
}
