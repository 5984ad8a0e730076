import type { RunInstruction, RunMount } from "../ast.ts";
import { commandForm } from "../command-form.ts";
import { parseCsvRecord } from "../csv-record.ts";
import { type FlagSet, parseFlags } from "../flag-set.ts";
import { type Draft, fail, instructionHead, type InstructionContext, tokenRange } from "../instruction-context.ts";
import type { Token } from "../logical-line.ts";
import { didYouMean } from "../suggestion.ts";

const NETWORKS = ["default", "none", "host"];
const SECURITIES = ["sandbox", "insecure"];

/** `RUN [--mount=…] [--network=…] [--security=…] command`. */
export function runInstruction(context: InstructionContext): RunInstruction {
  const device = context.node.flags.find((token) => /^--device(=|$)/.test(token.value));
  if (device !== undefined)
    fail(context, "RUN --device is not supported", {
      at: device,
      code: "DOCKERFILE_UNKNOWN_FLAG",
      hint: "varve gives a step no devices beyond the usual ones",
    });
  const flags = parseFlags(context, { mount: "list", network: "value", security: "value" });
  const network = oneOf(context, flags, { name: "network", values: NETWORKS });
  const security = oneOf(context, flags, { name: "security", values: SECURITIES });
  const mounts = flags.list("mount").map(({ value, token }) => mount(context, value, token));
  const run: Draft<RunInstruction> = { kind: "run", ...instructionHead(context), flags: flags.flags, command: commandForm(context.node.args), mounts };
  if (network !== undefined) run.network = network;
  if (security !== undefined) run.security = security;
  return run;
}

function oneOf(
  context: InstructionContext,
  flags: FlagSet,
  { name, values }: { readonly name: string; readonly values: readonly string[] },
): string | undefined {
  const value = flags.value(name);
  if (value === undefined || values.includes(value)) return value;
  const token = flags.token(name);
  fail(context, `invalid --${name} ${JSON.stringify(value)}`, {
    ...(token === undefined ? {} : { at: token }),
    code: "DOCKERFILE_FLAG",
    hint: didYouMean(value, values) ?? `it is one of ${values.join(", ")}`,
  });
}

function mount(context: InstructionContext, value: string, token: Token): RunMount {
  const record = parseCsvRecord(value);
  if (record === undefined)
    fail(context, `--mount=${value} is not a list of comma-separated fields`, {
      at: token,
      code: "DOCKERFILE_FLAG",
      hint: 'a field that has quotes or commas is quoted as a whole: "--mount=type=bind,\\"source=a,b\\",target=/x"',
    });
  const fields = record.map((field) => {
    const equals = field.indexOf("=");
    const key = (equals === -1 ? field : field.slice(0, equals)).toLowerCase();
    return equals === -1 ? { key } : { key, value: field.slice(equals + 1) };
  });
  const from = fields.find((field) => field.key === "from");
  if (from?.value !== undefined && /\$./.test(from.value)) {
    fail(context, `from=${from.value} of a mount holds a variable`, {
      at: token,
      code: "DOCKERFILE_FLAG",
      hint: "name a stage: FROM $VARIABLE AS name, and from=name",
    });
  }
  return { fields, range: tokenRange(context, token) };
}
