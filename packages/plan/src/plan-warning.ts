import { formatPlatform, matchesPlatform } from "@varve/oci";
import { baseKey } from "./base-key.ts";
import type { Plan, ResolvedBase } from "./plan.ts";
import type { StageGraph } from "./stage-graph.ts";

type PlanWarning = Plan["warnings"][number];

/** What is odd about a plan beside what the parser has said: bases for another platform than the one asked for. */
export function planWarnings(graph: StageGraph, bases: Readonly<Record<string, ResolvedBase>>): readonly PlanWarning[] {
  return [...graph.needed].flatMap(({ origin, stage, range }): readonly PlanWarning[] => {
    const base = origin.kind === "image" && stage !== undefined ? bases[baseKey(origin.reference, origin.platform)] : undefined;
    if (origin.kind !== "image" || base === undefined) return [];
    const { os, architecture, variant } = base.config;
    const actual = { os, architecture, ...(variant === undefined ? {} : { variant }) };
    if (matchesPlatform(actual, origin.platform)) return [];
    return [{ rule: "InvalidBaseImagePlatform", message: `base image ${origin.reference} is for ${formatPlatform(actual)}, not for ${formatPlatform(origin.platform)}`, range }];
  });
}
