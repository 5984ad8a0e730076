import { formatPlatform, normalizePlatform } from "@varve/oci";
import { baseKey } from "./base-key.ts";
import type { Plan, ResolvedBase } from "./plan.ts";
import type { StageGraph } from "./stage-graph.ts";

/** Something odd that does not stop a build. */
export type PlanWarning = Plan["warnings"][number];

/** Bases that are for another platform than the one asked for. */
export function platformWarnings(graph: StageGraph, bases: Readonly<Record<string, ResolvedBase>>): readonly PlanWarning[] {
  return [...graph.needed].flatMap(({ origin, stage, range }): readonly PlanWarning[] => {
    const base = origin.kind === "image" && stage !== undefined ? bases[baseKey(origin.reference, origin.platform)] : undefined;
    if (origin.kind !== "image" || base === undefined) return [];
    const { os, architecture, variant } = base.config;
    const actual = normalizePlatform({ os, architecture, ...(variant === undefined ? {} : { variant }) });
    if (actual.os === origin.platform.os && actual.architecture === origin.platform.architecture) return [];
    return [
      {
        rule: "InvalidBaseImagePlatform",
        message: `base image ${origin.reference} is for ${formatPlatform(actual)}, not for ${formatPlatform(origin.platform)}`,
        range,
      },
    ];
  });
}
