import { checkOptionsOf, checkSyntax, type Dockerfile, selectWarnings, type Warning } from "@varve/dockerfile";
import { isVarveError, type VarveError } from "@varve/errors";
import { type ImageConfig, normalizePlatform, type Platform } from "@varve/oci";
import { attempt } from "./check/attempt.ts";
import { checkFroms } from "./check/from-check.ts";
import { exporterHistory } from "./exporter-history.ts";
import type { Plan, PlanOptions, RequiredBase, ResolvedBase } from "./plan.ts";
import { planError } from "./plan-error.ts";
import { openPlanning, planStages } from "./planning.ts";
import { platformWarnings } from "./plan-warning.ts";
import { stageGraph } from "./stage-graph.ts";
import type { Planning } from "./stage-planner.ts";
import { changeRuntime, runtimeOf, type StageState } from "./stage-state.ts";
import { globalVariables, ownValue } from "./variables.ts";

/** The build argument that stands in for the `check` directive. */
export const CHECK_ARG = "BUILDKIT_DOCKERFILE_CHECK";

/**
 * The base images whose configs `planBuild` needs: those that needed stages start from. A base's ONBUILD triggers can need more: with `bases`, what is known
 * so far, those are told too. Ask until nothing new comes. Throws as {@link planBuild}.
 */
export function requiredBases(dockerfile: Dockerfile, options: PlanOptions, bases: Readonly<Record<string, ResolvedBase>> = {}): readonly RequiredBase[] {
  return stageGraph(dockerfile, options, bases).bases;
}

/**
 * The graph of one target for one platform. Pure: equal inputs give equal plans. Throws PLAN_*, DOCKERFILE_EXPANSION, OCI_INVALID_REFERENCE and
 * OCI_INVALID_PLATFORM with the excerpt in `source`; PLAN_BASE_MISSING when a base of {@link requiredBases} is not in `bases`.
 */
export function planBuild(dockerfile: Dockerfile, options: PlanOptions, bases: Readonly<Record<string, ResolvedBase>>): Plan {
  const planning = openPlanning(dockerfile, options, bases);
  const { graph } = planning;
  planStages(planning);
  const state = planning.states.get(graph.target);
  if (state === undefined) throw new TypeError("the target was not planned");
  addLabels(state, options.labels);
  const config = withPlatform(state.config, options);
  const vertices = planning.vertices.needed(state.tip);
  return {
    platform: platformOf(config),
    vertices,
    result: state.tip,
    base: state.base,
    layers: state.layers,
    config,
    history: exporterHistory(state, vertices, options.namedContexts),
    warnings: warningsOf(planning),
  };
}

/**
 * What BuildKit's checks say of a file, by the text and by carrying it out; with `allStages`, of every stage. What is refused comes as `error`,
 * beside the warnings up to there.
 */
export function checkBuild(
  dockerfile: Dockerfile,
  options: PlanOptions,
  bases: Readonly<Record<string, ResolvedBase>>,
): { readonly warnings: readonly Warning[]; readonly error?: VarveError } {
  let planning: Planning | undefined;
  try {
    planning = openPlanning(dockerfile, options, bases);
    planStages(planning);
    return { warnings: warningsOf(planning) };
  } catch (error) {
    if (!isVarveError(error)) throw error;
    return { warnings: planning === undefined ? earlyWarnings(dockerfile, options) : warningsOf(planning), error };
  }
}

/** Throws PLAN_CHECK_FAILED when there are warnings and the file's `check` directive makes them errors. */
export function refuseWarnings(dockerfile: Dockerfile, { buildArgs }: Pick<PlanOptions, "buildArgs">, warnings: readonly Warning[]): void {
  const [first] = warnings;
  const given = ownValue(buildArgs, CHECK_ARG);
  if (first === undefined || !checkOptionsOf(dockerfile, given).error) return;
  const rules = [...new Set(warnings.map(({ rule }) => rule))].toSorted().join(", ");
  throw planError(
    "PLAN_CHECK_FAILED",
    `lint violation found for rules: ${rules}`,
    { dockerfile, range: first.range },
    { hint: given === undefined ? "the file says check=error=true" : `the build argument ${CHECK_ARG} says error=true` },
  );
}

/** What is known of a file whose stages make no graph. */
function earlyWarnings(dockerfile: Dockerfile, options: PlanOptions): readonly Warning[] {
  const globals = attempt(() => globalVariables(dockerfile, options));
  // this one looks at what is carried out, and nothing is
  const ofText = checkSyntax(dockerfile).filter(({ rule }) => rule !== "LegacyKeyValueFormat");
  return selected(dockerfile, options, [...ofText, ...(globals === undefined ? [] : checkFroms({ dockerfile, options, globals }))]);
}

function warningsOf({ graph, bases, warnings }: Planning): readonly Warning[] {
  const { dockerfile, options } = graph.naming;
  const unneeded = new Set(
    graph.nodes.flatMap((node) => (graph.needed.has(node) ? [] : (node.stage?.instructions ?? []).map(({ range }) => range.start.line))),
  );
  // the one check of the text that looks only at what is carried out
  const ofText = checkSyntax(dockerfile).filter(({ rule, range }) => rule !== "LegacyKeyValueFormat" || !unneeded.has(range.start.line));
  return selected(dockerfile, options, [...ofText, ...checkFroms(graph.naming), ...platformWarnings(graph, bases), ...warnings]);
}

/** In the order of the text, and only those the file's `check` directive lets through. */
function selected(dockerfile: Dockerfile, { buildArgs }: PlanOptions, found: readonly Warning[]): readonly Warning[] {
  return selectWarnings(dockerfile, found, ownValue(buildArgs, CHECK_ARG)).toSorted((a, b) => a.range.start.line - b.range.start.line);
}

/** Labels of the command line come last and write no history. */
function addLabels(state: StageState, labels: Readonly<Record<string, string>>): void {
  changeRuntime(state, { Labels: Object.fromEntries([...Object.entries(runtimeOf(state).Labels ?? {}), ...Object.entries(labels)]) });
}

/** A platform that was asked for overwrites the base's; otherwise the base's is kept (fact 57). */
function withPlatform(config: ImageConfig, { platform }: PlanOptions): ImageConfig {
  const { variant, "os.version": version, ...rest } = config;
  const own = { ...(variant === undefined ? {} : { variant }), ...(version === undefined ? {} : { "os.version": version }) };
  if (platform === undefined) return normalized({ ...rest, ...own });
  const same = platform.os === config.os && platform.architecture === config.architecture;
  return normalized({ ...rest, ...(same ? own : {}), ...platform });
}

function normalized(config: ImageConfig): ImageConfig {
  const { variant: _variant, ...rest } = config;
  return { ...rest, ...normalizePlatform(platformOf(config)) };
}

function platformOf(config: ImageConfig): Platform {
  const { os, architecture, variant, "os.version": version, "os.features": features } = config;
  return {
    os,
    architecture,
    ...(variant === undefined ? {} : { variant }),
    ...(version === undefined ? {} : { "os.version": version }),
    ...(features === undefined ? {} : { "os.features": features }),
  };
}
