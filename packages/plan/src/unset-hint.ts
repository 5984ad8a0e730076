import { expandWord } from "@varve/dockerfile";
import { nearName } from "./check/near-name.ts";
import type { Naming } from "./stage-names.ts";

/** What to do about a word of FROM whose variables are empty: names them, and what may have been meant. `undefined` when none is. */
export function unsetHint({ dockerfile, globals }: Pick<Naming, "dockerfile" | "globals">, word: string): string | undefined {
  const lookup = (name: string): string | undefined => globals.get(name) || undefined;
  const [name] = expandWord(word, { escape: dockerfile.escape, lookup }).unset;
  if (name === undefined) return undefined;
  const near = nearName(name, globals.keys());
  if (near !== undefined) return `${name} is not set: did you mean ${near}?`;
  const declared = dockerfile.globalArgs.some(({ args }) => args.some((arg) => arg.name.value === name));
  return declared
    ? `${name} is empty: give ARG ${name} a default, or pass --build-arg ${name}=VALUE`
    : `${name} is not set: declare ARG ${name}=DEFAULT before the first FROM; only such ARGs are seen here`;
}
