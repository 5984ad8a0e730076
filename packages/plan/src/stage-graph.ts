import type { Dockerfile, Instruction, RunMount, TransferInstruction } from "@varve/dockerfile";
import { didYouMean, parseOnbuild } from "@varve/dockerfile";
import { VarveError } from "@varve/errors";
import type { PlanOptions, RequiredBase, ResolvedBase } from "./plan.ts";
import { createPlanBudget } from "./plan-budget.ts";
import { located, type Place, planError } from "./plan-error.ts";
import { type Naming, requireTargets, sourceOrigin, stageNodes } from "./stage-names.ts";
import type { StageInstruction, StageNode } from "./stage-node.ts";
import { baseKey } from "./base-key.ts";
import { globalVariables } from "./variables.ts";

/** The stages of a file and what they need of each other. */
export interface StageGraph {
  readonly naming: Naming;
  /** In the order of the file; sources that are no stage follow. */
  readonly nodes: readonly StageNode[];
  readonly target: StageNode;
  /** What the target needs, itself included. */
  readonly needed: ReadonlySet<StageNode>;
  /** Images that needed stages start from. */
  readonly bases: readonly RequiredBase[];
}

/** A graph being built; `nodes` grows. */
interface Draft {
  readonly naming: Naming;
  readonly nodes: StageNode[];
  readonly stages: number;
  /** The last stage of each name. */
  readonly named: ReadonlyMap<string, StageNode>;
}

/**
 * Builds the graph for one target. Triggers of images count as far as their configs are in `bases`, since they can need further stages.
 * Throws PLAN_*, DOCKERFILE_EXPANSION, OCI_INVALID_REFERENCE.
 */
export function stageGraph(dockerfile: Dockerfile, options: PlanOptions, bases: Readonly<Record<string, ResolvedBase>>): StageGraph {
  const naming: Naming = { dockerfile, options, globals: globalVariables(dockerfile, options), budget: createPlanBudget() };
  requireTargets(naming);
  const nodes = [...stageNodes(naming)];
  const named = new Map(nodes.flatMap((node) => (node.stage?.name === undefined ? [] : [[node.stage.name, node] as const])));
  const draft: Draft = { naming, nodes, stages: nodes.length, named };
  for (const node of nodes.slice())
    node.instructions = (node.stage?.instructions ?? []).map((instruction) => withSources(draft, instruction, { dockerfile, range: instruction.range }));
  refuseCircles(draft);
  const target = findTarget(draft);
  const roots = options.allStages === true ? nodes.slice() : [target];
  let needed = reachable(roots);
  while (addTriggers(draft, needed, bases)) needed = reachable(roots);
  refuseCircles(draft);
  return { naming, nodes, target, needed, bases: requiredOf(needed) };
}

function requiredOf(needed: ReadonlySet<StageNode>): readonly RequiredBase[] {
  const found = new Map<string, RequiredBase>();
  for (const { origin, range, stage } of [...needed].toSorted((a, b) => a.index - b.index)) {
    if (origin.kind !== "image" || stage === undefined) continue;
    const key = baseKey(origin.reference, origin.platform);
    if (!found.has(key)) found.set(key, { key, reference: origin.reference, platform: origin.platform, range });
  }
  return [...found.values()];
}

function findTarget({ naming, nodes, stages, named }: Draft): StageNode {
  const { target } = naming.options;
  const last = nodes[stages - 1];
  if (last === undefined) throw new TypeError("a Dockerfile without stages");
  if (target === undefined || target === "") return last;
  const found = named.get(target.toLowerCase());
  if (found !== undefined) return found;
  const names = [...named.keys()];
  const numbered = /^\d+$/.test(target) && names.length > 0 ? `a target is named, not counted: the stages are ${names.join(", ")}` : undefined;
  const hint =
    numbered ?? didYouMean(target, names) ?? (names.length === 0 ? "no stage has a name; write FROM image AS name" : `the stages are ${names.join(", ")}`);
  // no line of the Dockerfile is at fault
  throw new VarveError("PLAN_UNKNOWN_STAGE", `target stage ${JSON.stringify(target)} could not be found`, { hint });
}

/** Gives the needed stages the triggers of what they start from. True when a stage or image became needed by it. */
function addTriggers(draft: Draft, needed: ReadonlySet<StageNode>, bases: Readonly<Record<string, ResolvedBase>>): boolean {
  let grew = false;
  for (const node of needed) {
    if (node.triggers !== undefined || node.replaced || node.stage === undefined) continue;
    const triggers = triggersFor(node, bases);
    if (triggers === undefined) continue;
    const added = triggers.map((trigger) => {
      const place: Place = { dockerfile: draft.naming.dockerfile, range: node.range, trigger };
      return { ...withSources(draft, parseTrigger(trigger, place), place), trigger };
    });
    node.instructions = [...added, ...node.instructions];
    node.triggers = added.length;
    grew ||= added.some(({ sources }) => sources.length > 0);
  }
  return grew;
}

/** `undefined` while the base's config is not known. */
function triggersFor(node: StageNode, bases: Readonly<Record<string, ResolvedBase>>): readonly string[] | undefined {
  const { origin } = node;
  if (origin.kind === "stage")
    return origin.node.replaced
      ? []
      : (origin.node.stage?.instructions ?? []).flatMap((instruction) => (instruction.kind === "onbuild" ? instruction.trigger : []));
  if (origin.kind !== "image") return [];
  const base = bases[baseKey(origin.reference, origin.platform)];
  return base === undefined ? undefined : (base.config.config?.OnBuild ?? []);
}

function parseTrigger(trigger: string, place: Place): Instruction {
  try {
    return parseOnbuild(trigger);
  } catch (error) {
    throw located(error, place);
  }
}

function withSources(draft: Draft, instruction: Instruction, place: Place): StageInstruction {
  if (instruction.kind === "copy" && instruction.from !== undefined) return { instruction, sources: [copySource(draft, instruction, instruction.from, place)] };
  if (instruction.kind === "run" && instruction.mounts.length > 0)
    return { instruction, sources: instruction.mounts.map((mount) => mountSource(draft, mount, place)) };
  return { instruction, sources: [] };
}

function copySource(draft: Draft, instruction: TransferInstruction, from: string, place: Place): StageNode {
  const flag = place.trigger === undefined ? instruction.flags.find(({ name }) => name === "from") : undefined;
  const at = flag === undefined ? place : { ...place, range: flag.range };
  if (!/^[-+]?\d+$/.test(from)) return findSource(draft, from, at);
  const node = Number(from) < draft.stages ? draft.nodes[Number(from)] : undefined;
  if (node === undefined)
    throw planError("PLAN_UNKNOWN_STAGE", `there is no stage ${from}`, at, { hint: `stages are counted from 0; the last one is ${draft.stages - 1}` });
  return node;
}

function mountSource(draft: Draft, mount: RunMount, place: Place): StageNode | undefined {
  const type = mount.fields.findLast(({ key }) => key === "type")?.value?.toLowerCase() ?? "bind";
  const from = mount.fields.findLast(({ key }) => key === "from")?.value;
  if (from === undefined || from === "" || (type !== "bind" && type !== "cache")) return undefined;
  return findSource(draft, from, place.trigger === undefined ? { ...place, range: mount.range } : place);
}

/** A stage by its name, the last one of that name; otherwise a named context or an image. */
function findSource(draft: Draft, name: string, place: Place): StageNode {
  const { naming, nodes, named } = draft;
  const stage = named.get(name.toLowerCase());
  if (stage !== undefined) return stage;
  const origin = sourceOrigin(naming, name, { platform: undefined, place, stages: named });
  if (origin.kind === "stage") return origin.node;
  const node: StageNode = { index: nodes.length, label: name, origin, range: place.range, replaced: false, instructions: [], triggers: 0 };
  nodes.push(node);
  return node;
}

function reachable(roots: readonly StageNode[]): ReadonlySet<StageNode> {
  const found = new Set<StageNode>();
  const queue = [...roots];
  for (let node = queue.pop(); node !== undefined; node = queue.pop()) {
    if (found.has(node)) continue;
    found.add(node);
    if (node.origin.kind === "stage") queue.push(node.origin.node);
    if (!node.replaced) queue.push(...sourcesOf(node));
  }
  return found;
}

function sourcesOf(node: StageNode): readonly StageNode[] {
  return node.instructions.flatMap(({ sources }) => sources.filter((source) => source !== undefined));
}

/** Depth first; by hand, since stages can be chained deeper than calls can be. */
function refuseCircles({ naming, nodes }: Draft): void {
  const done = new Set<StageNode>();
  const path = new Set<StageNode>();
  for (const start of nodes) {
    const stack = [{ node: start, waiting: [...sourcesOf(start)] }];
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const { node, waiting } = top;
      path.add(node);
      const next = done.has(node) ? undefined : waiting.shift();
      if (next === undefined) {
        path.delete(node);
        done.add(node);
        stack.pop();
      } else if (path.has(next)) throw circle(naming, [...path], next);
      else stack.push({ node: next, waiting: [...sourcesOf(next)] });
    }
  }
}

function circle({ dockerfile }: Naming, path: readonly StageNode[], first: StageNode): Error {
  const names = path.slice(path.indexOf(first)).map(({ label }) => label);
  const range = path.at(-1)?.range ?? first.range;
  return planError(
    "PLAN_STAGE_ORDER",
    `stages need each other in a circle: ${[...names, first.label].join(" → ")}`,
    { dockerfile, range },
    { hint: "copy only from stages that are defined before" },
  );
}
