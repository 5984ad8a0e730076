import { expandWord, type ExpandedWord, type FromInstruction } from "@varve/dockerfile";
import { parsePlatform, parseReference } from "@varve/oci";
import { goQuote } from "../go-format.ts";
import type { PlanWarning } from "../plan-warning.ts";
import type { Naming } from "../stage-names.ts";
import { globalVariables, type Variables } from "../variables.ts";
import { attempt } from "./attempt.ts";
import { nearName } from "./near-name.ts";

type FromNaming = Omit<Naming, "budget">;

/** What BuildKit's checks say of the FROM lines, of stages that aren't built too. */
export function checkFroms(naming: FromNaming): readonly PlanWarning[] {
  return naming.dockerfile.stages.flatMap(({ from }) => [...unsetArgs(naming, from), ...platformFlag(naming, from), ...defaultName(naming, from)]);
}

function unsetArgs(naming: FromNaming, from: FromInstruction): readonly PlanWarning[] {
  const declared = new Set([...naming.globals.keys(), ...naming.dockerfile.globalArgs.flatMap(({ args }) => args.map(({ name }) => name.value))]);
  const unset = [from.image.value, from.platform ?? ""].flatMap((word) => expand(naming, word, naming.globals)?.unset ?? []);
  return unset
    .filter((name) => !declared.has(name))
    .map((name) => {
      const near = nearName(name, declared);
      return {
        rule: "UndefinedArgInFrom",
        message: `FROM argument '${name}' is not declared${near === undefined ? "" : ` (did you mean ${near}?)`}`,
        range: from.range,
      };
    });
}

function platformFlag(naming: FromNaming, from: FromInstruction): readonly PlanWarning[] {
  const expanded = from.platform === undefined ? undefined : expand(naming, from.platform, naming.globals);
  if (from.platform === undefined || expanded === undefined) return [];
  const { value, used, unset } = expanded;
  if (used.length === 1 && unset.length === 0 && used[0] === "TARGETPLATFORM" && value === naming.globals.get("TARGETPLATFORM"))
    return [
      {
        rule: "RedundantTargetPlatform",
        message: `Setting platform to predefined ${from.platform} in FROM is redundant as this is the default behavior`,
        range: from.range,
      },
    ];
  if (used.length > 0 || unset.length > 0) return [];
  const name = from.alias?.value.toLowerCase() ?? "";
  // a stage that says in its name what it is for means it
  const platform = attempt(() => parsePlatform(value, naming.options.buildPlatform));
  if (platform === undefined || name.includes(platform.os) || name.includes(platform.architecture)) return [];
  return [{ rule: "FromPlatformFlagConstDisallowed", message: `FROM --platform flag should not use constant value ${goQuote(value)}`, range: from.range }];
}

/** A base's name must be one without any build argument too. */
function defaultName(naming: FromNaming, from: FromInstruction): readonly PlanWarning[] {
  const defaults = attempt(() => globalVariables(naming.dockerfile, { ...naming.options, buildArgs: {} }));
  const expanded = defaults === undefined ? undefined : expand(naming, from.image.value, defaults);
  if (expanded === undefined || attempt(() => parseReference(expanded.value)) !== undefined) return [];
  return [
    {
      rule: "InvalidDefaultArgInFrom",
      message: `Default value for ARG ${from.image.value} results in empty or invalid base image name`,
      range: from.range,
    },
  ];
}

function expand(naming: FromNaming, word: string, variables: Variables | FromNaming["globals"]): ExpandedWord | undefined {
  return attempt(() => expandWord(word, { escape: naming.dockerfile.escape, lookup: (name) => variables.get(name) }));
}
