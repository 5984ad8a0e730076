import type {
  CommandInstruction,
  ExposeInstruction,
  MaintainerInstruction,
  ShellInstruction,
  StopSignalInstruction,
  UserInstruction,
  VolumeInstruction,
  WorkdirInstruction,
} from "../ast.ts";
import { commandForm } from "../command-form.ts";
import { parseFlags, uncheckedFlags } from "../flag-set.ts";
import { fail, instructionHead, type InstructionContext, nodeRange, toWord } from "../instruction-context.ts";
import type { Token } from "../logical-line.ts";

/** What the arguments are, for hints. */
const WHAT: Readonly<Record<string, string>> = {
  WORKDIR: "path",
  USER: "user[:group]",
  STOPSIGNAL: "signal",
  MAINTAINER: "name",
  EXPOSE: "port[/protocol]...",
  VOLUME: "path...",
};

/** `CMD` and `ENTRYPOINT`. */
export function commandInstruction(context: InstructionContext): CommandInstruction {
  const { flags } = parseFlags(context, {});
  return { kind: context.node.keyword.value === "CMD" ? "cmd" : "entrypoint", ...instructionHead(context), flags, command: commandForm(context.node.args) };
}

/** `WORKDIR path`; the rest of the line is the path, blanks included. */
export function workdirInstruction(context: InstructionContext): WorkdirInstruction {
  const path = wholeText(context);
  const { flags } = parseFlags(context, {});
  return { kind: "workdir", ...instructionHead(context), flags, path: toWord(context, path) };
}

/** `USER user[:group]`. */
export function userInstruction(context: InstructionContext): UserInstruction {
  const user = wholeText(context);
  const { flags } = parseFlags(context, {});
  return { kind: "user", ...instructionHead(context), flags, user: toWord(context, user) };
}

/** `STOPSIGNAL signal`. BuildKit does not look at its flags. */
export function stopSignalInstruction(context: InstructionContext): StopSignalInstruction {
  return { kind: "stopsignal", ...instructionHead(context), flags: uncheckedFlags(context), signal: toWord(context, wholeText(context)) };
}

/** `MAINTAINER name`, deprecated. */
export function maintainerInstruction(context: InstructionContext): MaintainerInstruction {
  const maintainer = wholeText(context).value;
  const { flags } = parseFlags(context, {});
  context.warn({
    rule: "MaintainerDeprecated",
    message: "Maintainer instruction is deprecated in favor of using label",
    range: nodeRange(context),
  });
  return { kind: "maintainer", ...instructionHead(context), flags, maintainer };
}

/** `EXPOSE port…`, sorted as BuildKit does before expansion. */
export function exposeInstruction(context: InstructionContext): ExposeInstruction {
  const words = someWords(context);
  const { flags } = parseFlags(context, {});
  const sorted = words.toSorted((a, b) => (a.value < b.value ? -1 : a.value > b.value ? 1 : 0));
  return { kind: "expose", ...instructionHead(context), flags, ports: sorted.map((word) => toWord(context, word)) };
}

/** `VOLUME path…` or `VOLUME ["path"…]`. */
export function volumeInstruction(context: InstructionContext): VolumeInstruction {
  const words = someWords(context);
  const { flags } = parseFlags(context, {});
  const volumes = words.map((word) => {
    const value = word.value.trim();
    if (value === "") fail(context, "VOLUME has an empty path", { at: word, hint: "write VOLUME /path" });
    return { value, range: toWord(context, word).range };
  });
  return { kind: "volume", ...instructionHead(context), flags, volumes };
}

/** `SHELL ["executable", "argument"…]`. */
export function shellInstruction(context: InstructionContext): ShellInstruction {
  const { flags } = parseFlags(context, {});
  const { args } = context.node;
  const command = commandForm(args);
  if (args.kind === "none" || (command.form === "exec" && command.args.length === 0))
    fail(context, "SHELL has no arguments", { hint: 'write SHELL ["/bin/sh", "-c"]' });
  if (command.form === "shell") fail(context, "SHELL is not a JSON array", { hint: 'write SHELL ["/bin/sh", "-c"]' });
  return { kind: "shell", ...instructionHead(context), flags, shell: command.args };
}

function wholeText(context: InstructionContext): Token {
  const { args, keyword } = context.node;
  if (args.kind === "text") return args.text;
  fail(context, `${keyword.value} has no argument`, { hint: `write ${keyword.value} ${WHAT[keyword.value] ?? "value"}` });
}

function someWords(context: InstructionContext): readonly Token[] {
  const { args, keyword } = context.node;
  const words = args.kind === "words" ? args.words : args.kind === "json" ? args.items : [];
  if (words.length === 0) fail(context, `${keyword.value} has no arguments`, { hint: `write ${keyword.value} ${WHAT[keyword.value] ?? "value"}` });
  return words;
}
