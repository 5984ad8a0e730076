import type { ArgInstruction, EnvInstruction, KeyValue, LabelInstruction } from "../ast.ts";
import { parseFlags, uncheckedFlags } from "../flag-set.ts";
import { fail, instructionHead, type InstructionContext, nodeRange, toWord } from "../instruction-context.ts";
import { splitPair } from "../node-parser.ts";

/** `ENV name=value…` and `ENV name value`. */
export function envInstruction(context: InstructionContext): EnvInstruction {
  const { flags } = parseFlags(context, {});
  return { kind: "env", ...instructionHead(context), flags, pairs: keyValues(context) };
}

/** `LABEL name=value…` and `LABEL name value`. */
export function labelInstruction(context: InstructionContext): LabelInstruction {
  const { flags } = parseFlags(context, {});
  return { kind: "label", ...instructionHead(context), flags, pairs: keyValues(context) };
}

function keyValues(context: InstructionContext): readonly KeyValue[] {
  const { args, keyword } = context.node;
  if (args.kind !== "pairs") fail(context, `${keyword.value} has no arguments`, { hint: `write ${keyword.value} name=value` });
  if (args.legacy) {
    const written = context.node.line.text.slice(keyword.start, keyword.end);
    context.warn({
      rule: "LegacyKeyValueFormat",
      message: `"${written} key=value" should be used instead of legacy "${written} key value" format`,
      range: nodeRange(context),
    });
  }
  return args.pairs.map(({ key, value }) => {
    if (key.value === "")
      fail(context, `${keyword.value} has a value without a name`, { at: { ...key, end: value.end }, hint: "write name=value, without blanks around =" });
    return { key: toWord(context, key), value: toWord(context, value) };
  });
}

/** `ARG name[=value]…`. BuildKit does not look at ARG's flags. */
export function argInstruction(context: InstructionContext): ArgInstruction {
  const { args } = context.node;
  if (args.kind !== "words") fail(context, "ARG has no arguments", { hint: "write ARG name or ARG name=default" });
  return {
    kind: "arg",
    ...instructionHead(context),
    flags: uncheckedFlags(context),
    args: args.words.map((word) => {
      const equals = word.value.indexOf("=");
      if (equals === -1) return { name: toWord(context, word) };
      if (equals === 0) fail(context, "ARG has a value without a name", { at: word, hint: "write name=value, without blanks around =" });
      const { key, value } = splitPair(word, equals);
      return { name: toWord(context, key), value: toWord(context, value) };
    }),
  };
}
