import { type Place, planError } from "./plan-error.ts";

/** Most a plan may amount to: characters that variables give, and entries copied from one state of a stage to the next, each counted {@link ENTRY}. */
export const PLAN_LIMIT: number = 64 * 1024 * 1024;

/** What an entry of a list or map counts for: about the characters that could be copied in the same time. */
export const ENTRY = 8;

/**
 * What is left of a plan's limit. One expansion is bounded by itself; this bounds their sum, so that a small file whose variables double from line to line
 * can't fill the memory. No file a person wrote comes near it.
 */
export interface PlanBudget {
  /** Throws PLAN_TOO_LARGE at `place` when the plan grows past {@link PLAN_LIMIT}. */
  spend(amount: number, place: Place): void;
}

/** Creates the {@link PlanBudget} of one plan. */
export function createPlanBudget(): PlanBudget {
  let spent = 0;
  return {
    spend(amount, place) {
      spent += amount;
      if (spent <= PLAN_LIMIT) return;
      throw planError("PLAN_TOO_LARGE", `what the Dockerfile's variables and lists amount to grows past ${PLAN_LIMIT / 1024 / 1024} MiB`, place, {
        hint: "a variable made of others doubles from line to line; keep values short, and lists in files that are copied",
      });
    },
  };
}
