import { didYouMean, type Dockerfile, type FromInstruction, type Stage } from "@varve/dockerfile";
import { VarveError } from "@varve/errors";
import { formatReference, parsePlatform, parseReference, type Platform } from "@varve/oci";
import { findNamedContext, type NamedContext, targetStage } from "./named-context.ts";
import type { PlanOptions } from "./plan.ts";
import type { PlanBudget } from "./plan-budget.ts";
import { located, type Place, planError } from "./plan-error.ts";
import type { StageNode, StageOrigin } from "./stage-node.ts";
import { unsetHint } from "./unset-hint.ts";
import { expandAt } from "./variables.ts";

/** What is being named: the file, what the user gave, and the variables FROM lines see. */
export interface Naming {
  readonly dockerfile: Dockerfile;
  readonly options: PlanOptions;
  readonly globals: ReadonlyMap<string, string>;
  readonly budget: PlanBudget;
}

/** The platform stages are for unless their FROM says another. */
export function targetPlatform(options: PlanOptions): Platform {
  return options.platform ?? options.buildPlatform;
}

/** All stages of the file, each with what it starts from. Throws PLAN_INVALID_BASE, DOCKERFILE_EXPANSION. */
export function stageNodes(naming: Naming): readonly StageNode[] {
  const nodes: StageNode[] = [];
  const byName = new Map<string, StageNode>();
  for (const [index, stage] of naming.dockerfile.stages.entries()) {
    const node = stageNode(naming, { stage, index, earlier: byName });
    nodes.push(node);
    if (stage.name !== undefined) byName.set(stage.name, node);
  }
  return nodes;
}

function stageNode(
  naming: Naming,
  { stage, index, earlier }: { readonly stage: Stage; readonly index: number; readonly earlier: ReadonlyMap<string, StageNode> },
): StageNode {
  const { dockerfile, options } = naming;
  const { from } = stage;
  const place: Place = { dockerfile, range: from.image.range };
  const base = expandAt(from.image.value, naming.globals, place);
  if (base === "")
    throw planError("PLAN_INVALID_BASE", `the base name ${from.image.value} is blank`, place, {
      hint: unsetHint(naming, from.image.value) ?? "name an image, or scratch for none",
    });
  const platform = fromPlatform(naming, from);
  const replacement = stage.name === undefined ? undefined : namedContext(naming, stage.name, platform, place);
  const parent = earlier.get(base);
  const origin: StageOrigin =
    replacement !== undefined
      ? contextOrigin(replacement, { platform: platform ?? targetPlatform(options), place, stages: earlier })
      : parent !== undefined
        ? { kind: "stage", node: parent }
        : sourceOrigin(naming, base, { platform, place, stages: earlier, hint: unsetHint(naming, from.image.value) });
  return {
    index,
    label: stage.name ?? `stage-${index}`,
    stage,
    origin,
    range: from.range,
    ...(platform === undefined ? {} : { platform }),
    replaced: replacement !== undefined,
    instructions: [],
    triggers: undefined,
  };
}

function fromPlatform(naming: Naming, from: FromInstruction): Platform | undefined {
  if (from.platform === undefined) return undefined;
  const place: Place = { dockerfile: naming.dockerfile, range: from.flags.find((flag) => flag.name === "platform")?.range ?? from.range };
  const text = expandAt(from.platform, naming.globals, place);
  if (text === "")
    throw planError("PLAN_INVALID_BASE", `the platform ${from.platform} is blank`, place, {
      hint: unsetHint(naming, from.platform) ?? "write a platform such as linux/amd64",
    });
  try {
    return parsePlatform(text, naming.options.buildPlatform);
  } catch (error) {
    throw located(error, place);
  }
}

/** Where a name is said: `stages` are those it may mean. */
interface NamePlace<P extends Platform | undefined> {
  readonly platform: P;
  readonly place: Place;
  readonly stages: ReadonlyMap<string, StageNode>;
  /** What to do when it is no name; stands in for what is said of the name alone. */
  readonly hint?: string | undefined;
}

/** What a name that is no stage means: nothing, a named context, or an image. Throws OCI_INVALID_REFERENCE, PLAN_STAGE_ORDER. */
export function sourceOrigin(naming: Naming, name: string, where: NamePlace<Platform | undefined>): StageOrigin {
  if (name === "scratch") return { kind: "scratch" };
  const platform = where.platform ?? targetPlatform(naming.options);
  const context = namedContext(naming, name, where.platform, where.place);
  if (context !== undefined) return contextOrigin(context, { ...where, platform });
  try {
    return { kind: "image", reference: formatReference(parseReference(name)), platform };
  } catch (error) {
    throw located(error, where.place, where.hint);
  }
}

function namedContext(naming: Naming, name: string, platform: Platform | undefined, place: Place): NamedContext | undefined {
  try {
    return findNamedContext(naming.options.namedContexts, name, platform ?? targetPlatform(naming.options));
  } catch (error) {
    throw located(error, place);
  }
}

function contextOrigin(context: NamedContext, { platform, place, stages }: NamePlace<Platform>): StageOrigin {
  if (context.kind === "context") return context;
  if (context.kind === "image") return { ...context, platform };
  const node = stages.get(context.stage);
  if (node === undefined)
    throw planError("PLAN_STAGE_ORDER", `stage ${context.stage}, which a named context stands for, is used before it is defined`, place, {
      hint: "move it before this stage",
    });
  return { kind: "stage", node };
}

/** Throws PLAN_UNKNOWN_STAGE for a named context `target:` of a stage that isn't in the file. */
export function requireTargets({ dockerfile, options }: Pick<Naming, "dockerfile" | "options">): void {
  const names = dockerfile.stages.flatMap(({ name }) => name ?? []);
  for (const [context, value] of Object.entries(options.namedContexts)) {
    const stage = targetStage(value);
    if (stage === undefined || names.includes(stage)) continue;
    const known = names.length === 0 ? "no stage has a name; write FROM image AS name" : `the stages are ${names.join(", ")}`;
    // no line of the Dockerfile is at fault
    throw new VarveError("PLAN_UNKNOWN_STAGE", `the build context ${context} is target:${stage}, and there is no such stage`, {
      hint: didYouMean(stage, names) ?? known,
    });
  }
}
