import { type Heredoc, parseHeredocWord, type RunInstruction } from "@varve/dockerfile";

/** The heredoc that is all of a RUN's command: its content is the script. `undefined` when there is more, which the shell then handles. */
export function soleHeredoc(instruction: RunInstruction): Heredoc | undefined {
  const { command, heredocs } = instruction;
  if (command.form !== "shell" || heredocs.length === 0) return undefined;
  return parseHeredocWord(command.text) === undefined ? undefined : heredocs[0];
}

/** The command line with the bodies below it, as a shell reads heredocs. */
export function withHeredocBodies(text: string, heredocs: readonly Heredoc[]): string {
  return text + heredocs.map(({ raw, name }) => `\n${raw}${name}`).join("");
}
