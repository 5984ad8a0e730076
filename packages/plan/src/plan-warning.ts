import { formatPlatform, normalizePlatform } from "@varve/oci";
import { baseKey } from "./base-key.ts";
import type { Plan, ResolvedBase } from "./plan.ts";
import type { StageGraph } from "./stage-graph.ts";
import { expandAt } from "./variables.ts";

/** Something odd that does not stop a build. */
export type PlanWarning = Plan["warnings"][number];

/** Bases that are for another platform than the one asked for. */
export function platformWarnings(graph: StageGraph, bases: Readonly<Record<string, ResolvedBase>>): readonly PlanWarning[] {
  return [...graph.needed].flatMap(({ origin, stage, range, replaced }): readonly PlanWarning[] => {
    const base = origin.kind === "image" && stage !== undefined ? bases[baseKey(origin.reference, origin.platform)] : undefined;
    if (origin.kind !== "image" || stage === undefined || base === undefined || base.unknown === true) return [];
    const { os, architecture, variant } = base.config;
    const actual = normalizePlatform({ os, architecture, ...(variant === undefined ? {} : { variant }) });
    if (actual.os === origin.platform.os && actual.architecture === origin.platform.architecture) return [];
    const { dockerfile, globals } = graph.naming;
    const name = replaced ? origin.reference : expandAt(stage.from.image.value, globals, { dockerfile, range });
    return [
      {
        rule: "InvalidBaseImagePlatform",
        message: `Base image ${name} was pulled with platform "${formatPlatform(actual)}", expected "${formatPlatform(origin.platform)}" for current build`,
        range,
      },
    ];
  });
}
