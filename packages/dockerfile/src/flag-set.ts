import type { Flag } from "./ast.ts";
import { fail, type InstructionContext, tokenRange } from "./instruction-context.ts";
import type { Token } from "./logical-line.ts";
import { didYouMean } from "./suggestion.ts";

/** A flag's kind: `switch` takes true, false or nothing; `list` may be repeated. */
export type FlagKind = "switch" | "value" | "list";

/** The checked flags of one instruction. */
export interface FlagSet {
  /** As written, in order. */
  readonly flags: readonly Flag[];
  /** Whether a switch is on; `undefined` when it isn't there. */
  switch(name: string): boolean | undefined;
  value(name: string): string | undefined;
  /** Each value with the token of its flag. */
  list(name: string): readonly { readonly value: string; readonly token: Token }[];
  /** The token of a flag that is there, for errors. */
  token(name: string): Token | undefined;
}

interface Found {
  readonly flag: Flag;
  readonly token: Token;
}

const NO_FLAGS: FlagSet = { flags: [], switch: () => undefined, value: () => undefined, list: () => [], token: () => undefined };

/** Checks a node's flags against what its instruction knows. Throws DOCKERFILE_UNKNOWN_FLAG and DOCKERFILE_FLAG. */
export function parseFlags(context: InstructionContext, known: Readonly<Record<string, FlagKind>>): FlagSet {
  if (context.node.flags.length === 0) return NO_FLAGS;
  const found: Found[] = [];
  const seen = new Set<string>();
  for (const token of context.node.flags) {
    const flag = toFlag(context, token);
    const kind = Object.hasOwn(known, flag.name) ? known[flag.name] : undefined;
    if (kind === undefined) unknownFlag(context, token, { name: flag.name, known: Object.keys(known) });
    if (seen.has(flag.name) && kind !== "list")
      fail(context, `--${flag.name} is given twice`, { at: token, code: "DOCKERFILE_FLAG", hint: "keep one of them" });
    seen.add(flag.name);
    checkValue(context, token, { flag, kind });
    found.push({ flag, token });
  }
  const first = (name: string): Found | undefined => found.find((entry) => entry.flag.name === name);
  return {
    flags: found.map((entry) => entry.flag),
    switch: (name) => {
      const flag = first(name)?.flag;
      return flag === undefined ? undefined : flag.value?.toLowerCase() !== "false";
    },
    value: (name) => first(name)?.flag.value,
    list: (name) => found.filter((entry) => entry.flag.name === name).map((entry) => ({ value: entry.flag.value ?? "", token: entry.token })),
    token: (name) => first(name)?.token,
  };
}

/** The flags as they are, for instructions whose flags BuildKit does not look at. */
export function uncheckedFlags(context: InstructionContext): readonly Flag[] {
  return context.node.flags.map((token) => toFlag(context, token));
}

function toFlag(context: InstructionContext, token: Token): Flag {
  const equals = token.value.indexOf("=");
  const range = tokenRange(context, token);
  return equals === -1 ? { name: token.value.slice(2), range } : { name: token.value.slice(2, equals), value: token.value.slice(equals + 1), range };
}

function checkValue(context: InstructionContext, token: Token, { flag, kind }: { readonly flag: Flag; readonly kind: FlagKind }): void {
  const code = "DOCKERFILE_FLAG";
  if (kind !== "switch") {
    if (flag.value === undefined)
      fail(context, `--${flag.name} has no value`, { at: token, code, hint: `write --${flag.name}=${nextWord(context, token)}, without blanks around =` });
    return;
  }
  if (flag.value === undefined || /^(true|false)$/i.test(flag.value)) return;
  fail(context, flag.value === "" ? `--${flag.name}= has no value` : `--${flag.name} is ${JSON.stringify(flag.value)}, neither true nor false`, {
    at: token,
    code,
    hint: `write --${flag.name}, or --${flag.name}=true or =false`,
  });
}

/** What stands behind a flag without a value is most likely meant to be it. */
function nextWord({ node }: InstructionContext, { end }: Token): string {
  return /^\s+=?([^\s=-]\S{0,40})(?=\s)/.exec(node.line.text.slice(end, end + 100))?.[1] ?? "VALUE";
}

function unknownFlag(context: InstructionContext, token: Token, { name, known }: { readonly name: string; readonly known: readonly string[] }): never {
  const { keyword } = context.node;
  const flags = known.map((flag) => `--${flag}`);
  const hint =
    didYouMean(`--${name}`, flags) ??
    (flags.length > 0 ? `${keyword.value} knows ${flags.join(" ")}` : `${keyword.value} has no flags; put -- before arguments that start with two hyphens`);
  fail(context, `unknown flag --${name} of ${keyword.value}`, { at: token, code: "DOCKERFILE_UNKNOWN_FLAG", hint });
}
