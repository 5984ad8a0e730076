import type { TransferInstruction } from "../ast.ts";
import { type FlagKind, type FlagSet, parseFlags } from "../flag-set.ts";
import { parseHeredocWord } from "../heredoc-word.ts";
import { type Draft, fail, instructionHead, type InstructionContext, toWord } from "../instruction-context.ts";
import type { Token } from "../logical-line.ts";

const SHARED: Readonly<Record<string, FlagKind>> = { chown: "value", chmod: "value", link: "switch", exclude: "list" };
const COPY_FLAGS: Readonly<Record<string, FlagKind>> = { ...SHARED, from: "value", parents: "switch" };
const ADD_FLAGS: Readonly<Record<string, FlagKind>> = { ...SHARED, "keep-git-dir": "switch", checksum: "value", unpack: "switch" };

/** `COPY [flags] source… destination` and `ADD`, also as JSON arrays. */
export function transferInstruction(context: InstructionContext): TransferInstruction {
  const { args, keyword } = context.node;
  const words: readonly Token[] = args.kind === "words" ? args.words : args.kind === "json" ? args.items : [];
  const destination = words.at(-1);
  if (destination === undefined || words.length < 2) {
    fail(context, `${keyword.value} has ${words.length === 0 ? "neither source nor" : "no"} destination`, {
      hint: `write ${keyword.value} source... destination`,
    });
  }
  const flags = parseFlags(context, keyword.value === "COPY" ? COPY_FLAGS : ADD_FLAGS);
  if (parseHeredocWord(destination.value) !== undefined)
    fail(context, `a heredoc cannot be the destination of ${keyword.value}`, {
      at: destination,
      code: "DOCKERFILE_HEREDOC",
      hint: "heredocs are sources; name a path last",
    });
  checkFrom(context, flags);
  const unpack = flags.switch("unpack");
  const keepGitDir = flags.switch("keep-git-dir");
  const transfer: Draft<TransferInstruction> = {
    kind: keyword.value === "COPY" ? "copy" : "add",
    ...instructionHead(context),
    flags: flags.flags,
    sources: words.slice(0, -1).map((word) => toWord(context, word)),
    destination: toWord(context, destination),
    link: flags.switch("link") ?? false,
    parents: flags.switch("parents") ?? false,
    exclude: flags.list("exclude").map((entry) => entry.value),
  };
  for (const name of ["from", "chown", "chmod", "checksum"] as const) {
    const value = flags.value(name);
    // an empty one is as none, as in BuildKit
    if (value !== undefined && value !== "") transfer[name] = value;
  }
  if (unpack !== undefined) transfer.unpack = unpack;
  if (keepGitDir !== undefined) transfer.keepGitDir = keepGitDir;
  return transfer;
}

function checkFrom(context: InstructionContext, flags: FlagSet): void {
  const from = flags.value("from");
  const token = flags.token("from");
  if (from === undefined || token === undefined || !/\$./.test(from)) return;
  fail(context, `--from=${from} holds a variable`, { at: token, code: "DOCKERFILE_FLAG", hint: "name a stage: FROM $VARIABLE AS name, and --from=name" });
}
