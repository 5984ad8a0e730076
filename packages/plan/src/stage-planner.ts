import { formatPlatform, type ImageConfig, type Platform } from "@varve/oci";
import { baseKey } from "./base-key.ts";
import { createStageCheck } from "./check/stage-check.ts";
import { planInstruction } from "./instruction-planner.ts";
import type { InstructionScope } from "./instruction-scope.ts";
import type { ResolvedBase, VertexID } from "./plan.ts";
import { planError } from "./plan-error.ts";
import type { StageGraph } from "./stage-graph.ts";
import { targetPlatform } from "./stage-names.ts";
import type { StageNode } from "./stage-node.ts";
import { addLayer, childState, DEFAULT_PATH, initialState, type StageState } from "./stage-state.ts";
import { createStepTitles, type StepTitles } from "./step-title.ts";
import type { PlanWarning } from "./plan-warning.ts";
import type { VertexList } from "./vertex-list.ts";

/** Everything needed to carry out stages one after the other. */
export interface Planning {
  readonly graph: StageGraph;
  readonly bases: Readonly<Record<string, ResolvedBase>>;
  readonly vertices: VertexList;
  readonly warnings: PlanWarning[];
  /** Stages done so far. */
  readonly states: Map<StageNode, StageState>;
}

/** Carries out a stage; those it needs are done before. */
export function planStage(planning: Planning, node: StageNode): StageState {
  const { graph, vertices, states } = planning;
  let trigger: string | undefined;
  const titles = createStepTitles(node, {
    single: graph.nodes.length === 1,
    withPlatform: graph.naming.options.withPlatform ?? false,
    onbuild: () => trigger !== undefined,
  });
  const state = openStage(planning, node, titles);
  states.set(node, state);
  if (node.replaced) return state;
  if (state.platform.os === "windows") {
    const message = `The stage is for ${formatPlatform(state.platform)}: its paths are read as Linux paths, and RUN is refused`;
    planning.warnings.push({ rule: "WindowsStage", message, range: node.range });
  }
  let count = 0;
  const check = createStageCheck({ baseKnown: isBaseKnown(planning, node), ignores: graph.naming.options.ignores });
  for (const step of node.instructions) {
    trigger = step.trigger;
    const scope: InstructionScope = {
      naming: graph.naming,
      node,
      state,
      vertices,
      titles,
      trigger,
      range: trigger === undefined ? step.instruction.range : node.range,
      warn: (rule, message, range) => planning.warnings.push({ rule, message, range: trigger === undefined ? range : node.range }),
      nextID: () => `stage:${node.index}/${++count}`,
      sourceVertex: (source, place) => {
        const found = sourceVertex(planning, source);
        if (found === undefined)
          throw planError("PLAN_STAGE_ORDER", `stage ${source.label} is used before it is defined`, place, { hint: "move it before this stage" });
        return found;
      },
    };
    check.look(scope, step.instruction);
    planInstruction(scope, step);
  }
  return state;
}

/** The tree of what a COPY or mount names; `undefined` for a stage that isn't done yet. */
function sourceVertex({ vertices, states }: Planning, node: StageNode): VertexID | undefined {
  const { origin } = node;
  if (node.stage !== undefined && (!node.replaced || origin.kind === "stage")) return states.get(node)?.tip;
  if (origin.kind === "context") return vertices.context(origin.name);
  if (origin.kind === "image") return vertices.image(origin.reference, origin.platform, { range: node.range });
  return vertices.scratch();
}

function isBaseKnown({ bases }: Planning, node: StageNode): boolean {
  let { origin } = node;
  while (origin.kind === "stage") ({ origin } = origin.node);
  return origin.kind !== "image" || bases[baseKey(origin.reference, origin.platform)]?.unknown !== true;
}

function openStage(planning: Planning, node: StageNode, titles: StepTitles): StageState {
  const { graph, vertices, states } = planning;
  const { origin } = node;
  const platform = targetPlatform(graph.naming.options);
  switch (origin.kind) {
    case "stage": {
      const parent = states.get(origin.node);
      if (parent === undefined) throw new TypeError(`stage ${origin.node.label} is not done yet`);
      return childState(parent);
    }
    case "scratch":
      return initialState({ config: emptyConfig(platform), platform, base: vertices.scratch() });
    case "context":
      return contextStage(planning, node, titles);
    case "image": {
      const base = planning.bases[baseKey(origin.reference, origin.platform)];
      if (base === undefined)
        throw planError("PLAN_BASE_MISSING", `the config of ${origin.reference} was not given`, { dockerfile: graph.naming.dockerfile, range: node.range });
      const title = titles.next(`FROM ${origin.reference}@${base.digest}`);
      return initialState({
        config: base.config,
        platform: origin.platform,
        base: vertices.image(origin.reference, origin.platform, { title, range: node.range }),
      });
    }
  }
}

/** A stage that starts from the files of a context: they are its first layer, on nothing. */
function contextStage({ graph, vertices }: Planning, node: StageNode, titles: StepTitles): StageState {
  const platform = node.platform ?? targetPlatform(graph.naming.options);
  const name = node.origin.kind === "context" ? node.origin.name : "";
  const state = initialState({ config: emptyConfig(platform), platform, base: vertices.scratch() });
  const id = vertices.add({
    id: `stage:${node.index}/context`,
    kind: "copy",
    title: titles.next(`FROM ${name}`),
    range: node.range,
    parent: state.tip,
    from: vertices.context(name),
    keepOwner: false,
    sources: [{ kind: "path", pattern: "." }],
    destination: "/",
    link: false,
    parents: false,
    exclude: [],
  });
  // without a history entry: see exporterHistory
  addLayer(state, id);
  return state;
}

/** The config of `scratch`, as BuildKit starts it. */
function emptyConfig(platform: Platform): ImageConfig {
  const { architecture, os, variant } = platform;
  return {
    architecture,
    os,
    ...(variant === undefined ? {} : { variant }),
    config: { Env: [`PATH=${DEFAULT_PATH}`], WorkingDir: "/" },
    rootfs: { type: "layers", diff_ids: [] },
  };
}
