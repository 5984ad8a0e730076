import { descriptionOf, type Dockerfile, expandWord } from "@varve/dockerfile";
import type { SourceRange } from "@varve/errors";
import type { PlanOptions, ResolvedBase } from "./plan.ts";
import { openPlanning, planStages } from "./planning.ts";
import type { Planning } from "./stage-planner.ts";
import type { StageNode } from "./stage-node.ts";
import { ownValue } from "./variables.ts";

/** A build argument that a target looks at. */
export interface OutlineArg {
  readonly name: string;
  /** From a comment `# name …` above its ARG. */
  readonly description?: string;
  /** What it is with the build arguments given; absent when nothing sets it. */
  readonly value?: string;
  /** Of its ARG. */
  readonly range: SourceRange;
}

/** A secret or an ssh agent that a RUN mounts. */
export interface OutlineMount {
  readonly name: string;
  readonly required: boolean;
  /** Of the first RUN with it. */
  readonly range: SourceRange;
}

/** What can be given to a target, its own and that of the stages it needs, in the order of the text. */
export interface Outline {
  /** Absent for a stage without a name. */
  readonly name?: string;
  readonly description?: string;
  readonly args: readonly OutlineArg[];
  readonly secrets: readonly OutlineMount[];
  readonly ssh: readonly OutlineMount[];
}

/** What `docker buildx build --call outline` shows. Throws as `planBuild`. */
export function outlineTarget(dockerfile: Dockerfile, options: PlanOptions, bases: Readonly<Record<string, ResolvedBase>>): Outline {
  const planning = openPlanning(dockerfile, options, bases);
  planStages(planning);
  const { stage } = planning.graph.target;
  const description = stage?.name === undefined ? undefined : descriptionOf(dockerfile, stage.from, stage.name);
  return {
    ...(stage?.name === undefined ? {} : { name: stage.name }),
    ...(description === undefined ? {} : { description }),
    args: inOrder([...argsOf(planning).values()]),
    secrets: mountsOf(planning, "secret"),
    ssh: mountsOf(planning, "ssh"),
  };
}

/** A stage's own ARGs come before those of what it is built on, and these before those of what it copies from. */
function argsOf({ graph, states }: Planning): ReadonlyMap<string, OutlineArg> {
  const { dockerfile } = graph.naming;
  const globals = globalArgs(graph.naming);
  const found = new Map<string, OutlineArg>();
  const add = (arg: OutlineArg): void => {
    if (!found.has(arg.name)) found.set(arg.name, arg);
  };
  const addGlobal = (name: string): void => {
    const known = globals.get(name);
    if (known === undefined || found.has(name)) return;
    add(known.arg);
    for (const other of known.needs) addGlobal(other);
  };
  const visited = new Set<StageNode>();
  const visit = (node: StageNode): void => {
    if (visited.has(node) || node.stage === undefined) return;
    visited.add(node);
    for (const { name, value, range, imported } of states.get(node)?.args.toReversed() ?? []) {
      if (imported) addGlobal(name);
      else add(outlineArg(dockerfile, { name, value, range }));
    }
    if (node.replaced) return;
    const { from } = node.stage;
    for (const word of [from.image.value, from.platform ?? ""]) for (const name of usedIn(graph.naming, word)) addGlobal(name);
    if (node.origin.kind === "stage") visit(node.origin.node);
    for (const { sources } of node.instructions) for (const source of sources) if (source !== undefined) visit(source);
  };
  visit(graph.target);
  return found;
}

type Naming = Planning["graph"]["naming"];

/** The ARGs before the first FROM, each with those its default is made of. */
function globalArgs(naming: Naming): ReadonlyMap<string, { readonly arg: OutlineArg; readonly needs: ReadonlySet<string> }> {
  const found = new Map<string, { readonly arg: OutlineArg; readonly needs: ReadonlySet<string> }>();
  const { dockerfile } = naming;
  for (const instruction of dockerfile.globalArgs)
    for (const { name, value } of instruction.args) {
      const given = ownValue(naming.options.buildArgs, name.value) !== undefined || value === undefined;
      const used = given ? [] : usedIn(naming, value.value);
      const needs = new Set([...used.filter((other) => other !== name.value), ...(used.includes(name.value) ? (found.get(name.value)?.needs ?? []) : [])]);
      const { range } = instruction;
      found.set(name.value, { arg: outlineArg(dockerfile, { name: name.value, value: naming.globals.get(name.value), range }), needs });
    }
  return found;
}

function usedIn({ dockerfile, globals }: Naming, word: string): readonly string[] {
  return expandWord(word, { escape: dockerfile.escape, lookup: (name) => globals.get(name) }).used;
}

function outlineArg(dockerfile: Dockerfile, arg: { readonly name: string; readonly value: string | undefined; readonly range: SourceRange }): OutlineArg {
  const { name, value, range } = arg;
  const description = descriptionOf(dockerfile, arg, name);
  return { name, ...(description === undefined ? {} : { description }), ...(value === undefined ? {} : { value }), range };
}

function mountsOf({ graph, vertices, states }: Planning, type: "secret" | "ssh"): readonly OutlineMount[] {
  const found = new Map<string, OutlineMount>();
  for (const vertex of vertices.needed(states.get(graph.target)?.tip ?? "")) {
    if (vertex.kind !== "run" || vertex.range === undefined) continue;
    for (const { fields } of vertex.mounts) {
      const name = fields["id"];
      if (fields["type"] !== type || name === undefined || found.has(name)) continue;
      found.set(name, { name, required: fields["required"] === "true", range: vertex.range });
    }
  }
  return inOrder([...found.values()]);
}

function inOrder<T extends { readonly range: SourceRange }>(items: readonly T[]): readonly T[] {
  return items.toSorted((a, b) => a.range.start.offset - b.range.start.offset);
}
