import type { Dockerfile } from "@varve/dockerfile";
import type { PlanOptions, ResolvedBase } from "./plan.ts";
import { stageGraph } from "./stage-graph.ts";
import { planStage, type Planning } from "./stage-planner.ts";
import { createVertexList } from "./vertex-list.ts";

/** What is known before the first stage is carried out. Throws as `stageGraph`. */
export function openPlanning(dockerfile: Dockerfile, options: PlanOptions, bases: Readonly<Record<string, ResolvedBase>>): Planning {
  return { graph: stageGraph(dockerfile, options, bases), bases, vertices: createVertexList(), warnings: [], states: new Map() };
}

/** Carries out every stage that is needed, in the order of the file. */
export function planStages(planning: Planning): void {
  for (const node of planning.graph.nodes) if (node.stage !== undefined && planning.graph.needed.has(node)) planStage(planning, node);
}
