import { VarveError } from "@varve/errors";

/**
 * Parses docker's `key=value,key=value` options, one line of CSV: a field in double quotes may hold commas, `""` is a quote.
 * A field without `=` gets the value `undefined`.
 */
export function parseFields(option: string, text: string): ReadonlyMap<string, string | undefined> {
  const fields = new Map<string, string | undefined>();
  for (const field of splitCsv(option, text)) {
    const equals = field.indexOf("=");
    const key = (equals < 0 ? field : field.slice(0, equals)).trim().toLowerCase();
    fields.set(key, equals < 0 ? undefined : field.slice(equals + 1));
  }
  return fields;
}

/** Throws CLI_USAGE for a key that is not in `known`. */
export function refuseUnknownFields(option: string, fields: ReadonlyMap<string, unknown>, known: readonly string[]): void {
  for (const key of fields.keys()) {
    if (known.includes(key)) continue;
    throw new VarveError("CLI_USAGE", `${option}: unknown field ${JSON.stringify(key)}`, { hint: `known fields: ${known.join(", ")}` });
  }
}

/** Parses `NAME=value`, or `NAME` alone, which takes its value from the environment and is left out when that has none (as docker). */
export function parseAssignments(values: readonly string[], env: NodeJS.ProcessEnv): Record<string, string> {
  const pairs = new Map<string, string>();
  for (const value of values) {
    const equals = value.indexOf("=");
    const name = equals < 0 ? value : value.slice(0, equals);
    const found = equals < 0 ? env[name] : value.slice(equals + 1);
    if (found !== undefined) pairs.set(name, found);
  }
  return Object.fromEntries(pairs);
}

/** As {@link parseAssignments}; a variable without a name is CLI_USAGE, as docker run refuses it. */
export function parseEnvironment(values: readonly string[], env: NodeJS.ProcessEnv): Record<string, string> {
  const nameless = values.find((value) => value === "" || value.startsWith("="));
  if (nameless === undefined) return parseAssignments(values, env);
  throw new VarveError("CLI_USAGE", `--env ${JSON.stringify(nameless)} names no variable`, {
    hint: "it is -e NAME=value, or -e NAME for the one of the environment",
  });
}

/** Parses a boolean field; a bare key means true. Throws CLI_USAGE otherwise. */
export function parseFlag(option: string, key: string, value: string | undefined): boolean {
  if (value === undefined || /^(true|1)$/i.test(value)) return true;
  if (/^(false|0)$/i.test(value)) return false;
  throw new VarveError("CLI_USAGE", `${option}: ${key} is true or false, not ${JSON.stringify(value)}`);
}

function splitCsv(option: string, text: string): string[] {
  const fields: string[] = [];
  let field = "";
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i] ?? "";
    if (quoted && c === '"' && text[i + 1] === '"') field += text[++i] ?? "";
    else if (c === '"') quoted = !quoted;
    else if (c === "," && !quoted) {
      fields.push(field);
      field = "";
    } else field += c;
  }
  if (quoted) throw new VarveError("CLI_USAGE", `${option}: unfinished quote in ${JSON.stringify(text)}`);
  fields.push(field);
  return fields;
}
