import type { Dockerfile } from "@varve/dockerfile";
import { expandWord } from "@varve/dockerfile";
import type { PlanOptions } from "./plan.ts";
import { createPlanBudget } from "./plan-budget.ts";
import { excerptOf, type Place } from "./plan-error.ts";

/** Names with their values; what was set last stands last. */
export type Variables = Map<string, string>;

/** Sets a variable as the newest, as a process sees it in its environment. */
export function setVariable(variables: Variables, name: string, value: string): void {
  variables.delete(name);
  variables.set(name, value);
}

/** Expands a word at a place. Throws DOCKERFILE_EXPANSION with the place's excerpt. */
export function expandAt(word: string, variables: ReadonlyMap<string, string>, place: Place): string {
  return expandWord(word, { escape: place.dockerfile.escape, lookup: (name) => variables.get(name), source: excerptOf(place) }).value;
}

/** An own property: names given by users may be `__proto__`. */
export function ownValue(record: Readonly<Record<string, string>>, name: string): string | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}

/** The ARGs before the first FROM and the predefined platform ARGs, build arguments applied. FROM lines see these; stages import them with a bare ARG. */
export function globalVariables(dockerfile: Dockerfile, options: PlanOptions): Variables {
  const variables: Variables = new Map();
  const budget = createPlanBudget();
  for (const [name, value] of platformVariables(dockerfile, options)) variables.set(name, ownValue(options.buildArgs, name) ?? value);
  for (const instruction of dockerfile.globalArgs) {
    for (const { name, value } of instruction.args) {
      const given = ownValue(options.buildArgs, name.value);
      if (given !== undefined) setVariable(variables, name.value, given);
      else if (value !== undefined) {
        const place: Place = { dockerfile, range: value.range };
        const expanded = expandAt(value.value, variables, place);
        budget.spend(expanded.length, place);
        setVariable(variables, name.value, expanded);
      }
    }
  }
  return variables;
}

function platformVariables(dockerfile: Dockerfile, options: PlanOptions): readonly (readonly [string, string])[] {
  const target = options.platform ?? options.buildPlatform;
  const stage = options.target ?? dockerfile.stages.at(-1)?.name ?? "";
  const sides = [
    ["BUILD", options.buildPlatform],
    ["TARGET", target],
  ] as const;
  return [
    ...sides.flatMap(([prefix, platform]): (readonly [string, string])[] => {
      const version = platform["os.version"] ?? "";
      const variant = platform.variant ?? "";
      return [
        [`${prefix}PLATFORM`, `${platform.os}${version === "" ? "" : `(${version})`}/${platform.architecture}${variant === "" ? "" : `/${variant}`}`],
        [`${prefix}OS`, platform.os],
        [`${prefix}OSVERSION`, version],
        [`${prefix}ARCH`, platform.architecture],
        [`${prefix}VARIANT`, variant],
      ];
    }),
    ["TARGETSTAGE", stage === "" ? "default" : stage],
  ];
}
