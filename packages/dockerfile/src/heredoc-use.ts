import type { RunInstruction, TransferInstruction, Word } from "./ast.ts";
import { parseHeredocWord } from "./heredoc-word.ts";

/** What a RUN executes once its heredocs are in their places. */
export type RunScript =
  | { readonly kind: "exec"; readonly args: readonly string[] }
  /** One text for the shell (SHELL and this as its last argument). */
  | { readonly kind: "shell"; readonly text: string }
  /** A single heredoc that starts with `#!`: an executable file, mounted as `/dev/pipes/<name>` and run by the shell as that path. */
  | { readonly kind: "file"; readonly name: string; readonly content: string };

/**
 * Puts a RUN's heredocs where BuildKit puts them: a heredoc alone is the script itself, or a file when it starts with
 * `#!`; beside other text they follow the line as they were written, for the shell to read.
 */
export function runScript(run: RunInstruction): RunScript {
  if (run.command.form === "exec") return { kind: "exec", args: run.command.args };
  const { text } = run.command;
  const first = run.heredocs[0];
  if (first === undefined) return { kind: "shell", text };
  if (parseHeredocWord(text) === undefined) return { kind: "shell", text: text + run.heredocs.map((heredoc) => `\n${heredoc.raw}${heredoc.name}`).join("") };
  // as in BuildKit a `<<-` script whose #! is indented is no file
  return first.raw.startsWith("#!") ? { kind: "file", name: first.name, content: first.content } : { kind: "shell", text: first.content };
}

/** A COPY or ADD source that is written in the Dockerfile. */
export interface InlineSource {
  /** Its file name. */
  readonly name: string;
  /** Not expanded yet; see `expandHeredoc`. */
  readonly content: string;
  readonly expand: boolean;
}

/** The inline file that a source word of COPY or ADD stands for; `undefined` for a word that is a path. */
export function inlineSource(transfer: TransferInstruction, source: Word): InlineSource | undefined {
  const word = parseHeredocWord(source.value);
  if (word === undefined) return undefined;
  // of two with one name the last counts; a JSON array takes no bodies, so its heredoc is an empty file
  const heredoc = transfer.heredocs.findLast((candidate) => candidate.name === word.name);
  return { name: word.name, content: heredoc?.content ?? "", expand: word.expand };
}
