import { parseArgs } from "node:util";
import { VarveError } from "@varve/errors";
import { KANIKO_FLAGS, type KanikoFlag, OLD_SPELLINGS } from "./kaniko-flag.ts";

/** The executor's command line. */
export interface KanikoArguments {
  text(name: string): string | undefined;
  list(name: string): readonly string[];
  /** `false` when it was not given. */
  on(name: string): boolean;
  /** Flags that were given and have no meaning here, each with why. */
  readonly without: readonly string[];
}

/** Parses as kaniko does (`--flag=value`, `--flag value`, `-f value`, `--switch`, `--switch=false`). Throws CLI_USAGE. */
export function parseKanikoArguments(argv: readonly string[]): KanikoArguments {
  const switches = new Map<string, boolean>();
  // Go takes -d=NAME too
  const rest = argv
    .map((argument) => argument.replace(/^--[A-Za-z]+/, (flag) => OLD_SPELLINGS.get(flag) ?? flag))
    .filter((argument) => !takeSwitch(argument, switches))
    .map((argument) => argument.replace(/^(-[a-z])=/, "$1"));
  const { values, positionals } = parse(rest);
  const [positional] = positionals;
  if (positional !== undefined) throw new VarveError("CLI_USAGE", `unexpected argument ${JSON.stringify(positional)}`);
  const given = [...switches.keys(), ...Object.keys(values)];
  for (const name of given) {
    const refused = flagOf(name).refused;
    if (refused !== undefined) throw new VarveError("CLI_USAGE", `--${name} is not supported`, { hint: refused });
  }
  return {
    text(name) {
      const value = values[name];
      return Array.isArray(value) ? String(value.at(-1)) : undefined;
    },
    list: (name) => (values[name] ?? []) as readonly string[],
    on: (name) => switches.get(name) === true,
    without: given.flatMap((name) => {
      const why = flagOf(name).without;
      return why === undefined ? [] : [`--${name} has no meaning here: ${why}`];
    }),
  };
}

function flagOf(name: string): KanikoFlag {
  const flag = Object.hasOwn(KANIKO_FLAGS, name) ? KANIKO_FLAGS[name] : undefined;
  if (flag === undefined) throw new VarveError("CLI_USAGE", `unknown flag --${name}`, { hint: "varve kaniko --help lists kaniko's flags" });
  return flag;
}

/** Go's switches take a value after `=` only. */
function takeSwitch(argument: string, switches: Map<string, boolean>): boolean {
  const [, name = "", value] = /^--([A-Za-z-]+)(?:=(.*))?$/.exec(argument) ?? [];
  if (name === "" || flagOf(name).kind !== "switch") return false;
  if (value !== undefined && !/^(?:true|false|1|0|t|f|T|F|TRUE|FALSE|True|False)$/.test(value)) {
    throw new VarveError("CLI_USAGE", `--${name} is true or false, not ${JSON.stringify(value)}`);
  }
  switches.set(name, value === undefined || /^[1tT]/.test(value));
  return true;
}

function parse(args: readonly string[]): { readonly values: Readonly<Record<string, unknown>>; readonly positionals: readonly string[] } {
  const options = Object.fromEntries(
    Object.entries(KANIKO_FLAGS)
      .filter(([, flag]) => flag.kind !== "switch")
      .map(([name, { short }]) => [name, { type: "string" as const, multiple: true as const, ...(short === undefined ? {} : { short }) }]),
  );
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  } catch (cause) {
    throw new VarveError("CLI_USAGE", (cause as Error).message, { cause, hint: "varve kaniko --help lists kaniko's flags" });
  }
}
