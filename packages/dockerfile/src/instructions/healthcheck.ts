import type { HealthcheckInstruction } from "../ast.ts";
import { commandForm } from "../command-form.ts";
import { parseDuration } from "../duration.ts";
import { type FlagSet, parseFlags, uncheckedFlags } from "../flag-set.ts";
import { fail, instructionHead, type InstructionContext } from "../instruction-context.ts";
import { didYouMean } from "../suggestion.ts";

/** The shortest duration Docker takes, in nanoseconds. */
const SHORTEST = 1e6;
const MOST_RETRIES = 2 ** 31 - 1;

/** `HEALTHCHECK [flags] CMD command` or `HEALTHCHECK NONE`. Flags before NONE are not looked at, as in BuildKit. */
export function healthcheckInstruction(context: InstructionContext): HealthcheckInstruction {
  const { args } = context.node;
  if (args.kind !== "health") fail(context, "HEALTHCHECK has no arguments", { hint: "write HEALTHCHECK CMD command, or HEALTHCHECK NONE" });
  const type = args.type.value.toUpperCase();
  if (type === "NONE") {
    if (args.command.kind !== "none") fail(context, "HEALTHCHECK NONE has arguments", { hint: "NONE stands alone; a command follows CMD" });
    return { kind: "healthcheck", ...instructionHead(context), flags: uncheckedFlags(context), none: true };
  }
  const flags = parseFlags(context, { interval: "value", timeout: "value", "start-period": "value", "start-interval": "value", retries: "value" });
  if (type !== "CMD")
    fail(context, `unknown HEALTHCHECK type ${JSON.stringify(args.type.value)}`, {
      at: args.type,
      hint: didYouMean(type, ["CMD", "NONE"]) ?? "it is CMD or NONE: write HEALTHCHECK CMD before the command",
    });
  const test = commandForm(args.command);
  if (args.command.kind === "none" || (test.form === "exec" && test.args.length === 0))
    fail(context, "HEALTHCHECK CMD has no command", { hint: "write HEALTHCHECK CMD command, or HEALTHCHECK NONE" });
  return { kind: "healthcheck", ...instructionHead(context), flags: flags.flags, none: false, test, ...durations(context, flags), ...retries(context, flags) };
}

function durations(context: InstructionContext, flags: FlagSet): Pick<HealthcheckInstruction, "interval" | "timeout" | "startPeriod" | "startInterval"> {
  const read = <K extends string>(key: K, name: string): { readonly [k in K]?: number } => {
    const text = flags.value(name);
    const at = flags.token(name);
    if (text === undefined || text === "" || at === undefined) return {};
    const value = parseDuration(text);
    if (value === Number.POSITIVE_INFINITY)
      fail(context, `--${name} ${shortened(text)} is too long`, { at, code: "DOCKERFILE_FLAG", hint: "durations end at 292 years, 2562047h" });
    if (value === undefined)
      fail(context, `--${name} ${JSON.stringify(text)} is no duration`, { at, code: "DOCKERFILE_FLAG", hint: "write a number with a unit, as 30s or 1m30s" });
    if (value !== 0 && value < SHORTEST)
      fail(context, `--${name} ${text} is less than 1ms`, { at, code: "DOCKERFILE_FLAG", hint: "write 1ms or more, or 0 for the default" });
    return { [key]: value } as { readonly [k in K]?: number };
  };
  return { ...read("interval", "interval"), ...read("timeout", "timeout"), ...read("startPeriod", "start-period"), ...read("startInterval", "start-interval") };
}

function retries(context: InstructionContext, flags: FlagSet): Pick<HealthcheckInstruction, "retries"> {
  const text = flags.value("retries");
  const at = flags.token("retries");
  if (text === undefined || text === "" || at === undefined) return {};
  const value = /^[-+]?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= 0 && value <= MOST_RETRIES) return { retries: value };
  if (value > MOST_RETRIES)
    fail(context, `--retries ${shortened(text)} is too large`, { at, code: "DOCKERFILE_FLAG", hint: `write at most ${MOST_RETRIES}, or 0 for the default` });
  fail(context, `--retries ${JSON.stringify(text)} is not a whole number from 0 on`, {
    at,
    code: "DOCKERFILE_FLAG",
    hint: "write --retries=3, or 0 for the default",
  });
}

function shortened(text: string): string {
  return text.length <= 40 ? text : `${text.slice(0, 37)}...`;
}
