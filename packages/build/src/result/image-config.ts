import type { DiffID, HistoryEntry, ImageConfig } from "@varve/oci";
import type { Plan } from "@varve/plan";

/** What {@link finishConfig} needs beside the plan. */
export interface ConfigInputs {
  readonly diffIDs: readonly DiffID[];
  /** RFC 3339 of each vertex that has a layer. */
  created(vertex: string): string | undefined;
  /** RFC 3339; replaces every time above the base. */
  readonly epoch: string | undefined;
}

/**
 * The image config of a finished plan: diffIDs, history above the base, created. An entry without a layer takes the time of the
 * layer before it (for the first ones: of the first layer), so that a build all from cache gives the same config again (fact 49).
 */
export function finishConfig(plan: Plan, inputs: ConfigInputs): ImageConfig {
  const inherited = baseHistory(plan, inputs);
  const own = plan.history.map(({ entry, vertex }): HistoryEntry => {
    const created = inputs.epoch ?? (vertex === undefined ? undefined : inputs.created(vertex));
    return { ...entry, ...(created === undefined ? {} : { created }) };
  });
  const history = [...inherited, ...fillTimes(own, inherited.at(-1)?.created)];
  const created = inputs.epoch ?? history.at(-1)?.created ?? plan.config.created;
  const { created: _created, ...config } = plan.config;
  return {
    ...config,
    ...(created === undefined ? {} : { created }),
    rootfs: { type: "layers", diff_ids: inputs.diffIDs },
    history,
  };
}

/** Bases without any history get an entry a layer, or history and layers would not match. */
function baseHistory(plan: Plan, inputs: ConfigInputs): readonly HistoryEntry[] {
  const given = plan.config.history ?? [];
  const layers = inputs.diffIDs.length - plan.layers.length;
  if (given.length > 0 || layers === 0) return given;
  return Array.from({ length: layers }, () => ({
    ...(plan.config.created === undefined ? {} : { created: plan.config.created }),
    comment: "imported from the base image",
  }));
}

function fillTimes(entries: readonly HistoryEntry[], before: string | undefined): HistoryEntry[] {
  let last = entries.find((entry) => entry.created !== undefined)?.created ?? before;
  return entries.map((entry) => {
    last = entry.created ?? last;
    return last === undefined ? entry : { ...entry, created: last };
  });
}
