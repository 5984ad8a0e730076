import type { FromInstruction } from "../ast.ts";
import { parseFlags } from "../flag-set.ts";
import { type Draft, fail, instructionHead, type InstructionContext, toWord } from "../instruction-context.ts";

const STAGE_NAME = /^[a-z][a-z0-9\-_.]*$/;

function fromHint([image, second, ...more]: readonly string[]): string {
  if (image === undefined || second === undefined || more.length > 0) return "write FROM image [AS name]";
  if (second.toLowerCase() === "as") return "a name is missing after AS";
  const tag = `write FROM ${image}:${second} for a tag`;
  return STAGE_NAME.test(second) ? `${tag}, FROM ${image} AS ${second} for a stage's name` : tag;
}

/** `FROM [--platform=P] image [AS name]`. */
export function fromInstruction(context: InstructionContext): FromInstruction {
  const { args } = context.node;
  const words = args.kind === "words" ? args.words : [];
  const [image, as, alias] = words;
  const named = words.length === 3 && as?.value.toLowerCase() === "as";
  if (image === undefined || (words.length !== 1 && !named)) {
    fail(context, "FROM takes an image, or an image AS a name", {
      hint: fromHint(words.map(({ value }) => value)),
    });
  }
  if (alias !== undefined && !STAGE_NAME.test(alias.value.toLowerCase())) {
    fail(context, `invalid stage name ${JSON.stringify(alias.value)}`, {
      at: alias,
      hint: "a stage name starts with a letter and has letters, digits, hyphens, underscores and dots",
    });
  }
  const flags = parseFlags(context, { platform: "value" });
  const platform = flags.value("platform");
  const from: Draft<FromInstruction> = { kind: "from", ...instructionHead(context), flags: flags.flags, image: toWord(context, image) };
  if (alias !== undefined) from.alias = toWord(context, alias);
  // an empty value is as none, as in BuildKit
  if (platform !== undefined && platform !== "") from.platform = platform;
  return from;
}
