import type { Instruction } from "./ast.ts";
import { fail, type InstructionContext, tokenRange } from "./instruction-context.ts";
import { fromInstruction } from "./instructions/from.ts";
import { healthcheckInstruction } from "./instructions/healthcheck.ts";
import { onbuildInstruction } from "./instructions/onbuild.ts";
import { argInstruction, envInstruction, labelInstruction } from "./instructions/pairs.ts";
import { runInstruction } from "./instructions/run.ts";
import {
  commandInstruction,
  exposeInstruction,
  maintainerInstruction,
  shellInstruction,
  stopSignalInstruction,
  userInstruction,
  volumeInstruction,
  workdirInstruction,
} from "./instructions/settings.ts";
import { transferInstruction } from "./instructions/transfer.ts";
import { KEYWORDS } from "./node-parser.ts";
import { didYouMean } from "./suggestion.ts";

const TYPES: Readonly<Record<string, (context: InstructionContext) => Instruction>> = {
  ADD: transferInstruction,
  ARG: argInstruction,
  CMD: commandInstruction,
  COPY: transferInstruction,
  ENTRYPOINT: commandInstruction,
  ENV: envInstruction,
  EXPOSE: exposeInstruction,
  FROM: fromInstruction,
  HEALTHCHECK: healthcheckInstruction,
  LABEL: labelInstruction,
  MAINTAINER: maintainerInstruction,
  ONBUILD: (context) => onbuildInstruction(context, typeInstruction),
  RUN: runInstruction,
  SHELL: shellInstruction,
  STOPSIGNAL: stopSignalInstruction,
  USER: userInstruction,
  VOLUME: volumeInstruction,
  WORKDIR: workdirInstruction,
};

/** Checks a node and gives it its type. Throws DOCKERFILE_UNKNOWN_INSTRUCTION, _UNKNOWN_FLAG, _FLAG, _HEREDOC, _SYNTAX. */
export function typeInstruction(context: InstructionContext): Instruction {
  const { keyword } = context.node;
  const type = Object.hasOwn(TYPES, keyword.value) ? TYPES[keyword.value] : undefined;
  if (type !== undefined) return type(context);
  const written = context.node.line.text.slice(keyword.start, keyword.end);
  const shown = written.length <= 40 ? written : `${written.slice(0, 37)}...`;
  return fail(context, `unknown instruction ${JSON.stringify(shown)}`, {
    at: keyword,
    code: "DOCKERFILE_UNKNOWN_INSTRUCTION",
    hint: keywordHint(keyword.value) ?? (tokenRange(context, keyword).start.line === 1 ? `instructions are ${KEYWORDS.join(", ")}` : LINE_ABOVE),
  });
}

const LINE_ABOVE = "if this belongs to the line above, end that line with \\ (or with the character of an escape directive)";

function keywordHint(word: string): string | undefined {
  if (word.startsWith("//") || word.startsWith("/*") || word.startsWith("--")) return "a comment starts with #";
  if (/^(?:<{7}|={7}|>{7}|\|{7})/.test(word)) return "a merge left this line; take one side of the conflict";
  if (/^[a-z]+:$/i.test(word)) return "this looks like YAML; -f names the Dockerfile";
  if (word.includes("\0")) return "the file is no UTF-8, it looks like UTF-16: save it as UTF-8";
  return didYouMean(word, KEYWORDS) ?? missingBlank(word);
}

/** `CMD["a"]`, or a character that only looks like a blank. */
function missingBlank(word: string): string | undefined {
  const keyword = /^[A-Z]+/.exec(word)?.[0] ?? "";
  const next = word.codePointAt(keyword.length) ?? 0;
  if (!KEYWORDS.includes(keyword) || next === 0x5f || (next >= 0x30 && next <= 0x39)) return undefined;
  const looksBlank = /^[\p{Zs}\p{Cf}]$/u.test(String.fromCodePoint(next));
  const named = `U+${next.toString(16).toUpperCase().padStart(4, "0")}`;
  return looksBlank ? `what follows ${keyword} is ${named}, which is no blank: write a plain one` : `a blank is missing after ${keyword}`;
}
