import type { SourceRange } from "@varve/errors";

/** A word as written (quotes, escapes and `$` still in it), continuation lines joined. */
export interface Word {
  readonly value: string;
  readonly range: SourceRange;
}

/** `--name=value`; `value` is absent for a bare `--name`. The range covers the whole flag. */
export interface Flag {
  readonly name: string;
  readonly value?: string;
  readonly range: SourceRange;
}

/** A heredoc: its word, how it was opened, and the lines up to the terminator. */
export interface Heredoc {
  readonly name: string;
  /** File descriptor digits before `<<`, usually 0. */
  readonly fileDescriptor: number;
  /** False when any part of the word was quoted. */
  readonly expand: boolean;
  /** `<<-`: leading tabs are already removed from `content`. */
  readonly chomp: boolean;
  /** Line endings kept; ends with a newline unless empty. */
  readonly content: string;
  /** As `content`, leading tabs still there: what a shell that sees the `<<-` itself is given. */
  readonly raw: string;
  /** Of the content, terminator line excluded. */
  readonly range: SourceRange;
}

/** A command that is either a JSON array (exec form) or a text (shell form): the line as written, `<<EOF` in its place, without heredoc bodies. */
export type CommandForm = { readonly form: "exec"; readonly args: readonly string[] } | { readonly form: "shell"; readonly text: string };

export interface KeyValue {
  readonly key: Word;
  readonly value: Word;
}

interface InstructionBase {
  /** Upper-case instruction word. */
  readonly keyword: string;
  readonly keywordRange: SourceRange;
  /** From the keyword to the end of the last argument (heredocs included). */
  readonly range: SourceRange;
  readonly flags: readonly Flag[];
  /** The line as Docker's `original`: continuation lines joined, without heredoc bodies. */
  readonly original: string;
  readonly heredocs: readonly Heredoc[];
}

export interface FromInstruction extends InstructionBase {
  readonly kind: "from";
  readonly image: Word;
  readonly alias?: Word;
  readonly platform?: string;
}
export interface RunInstruction extends InstructionBase {
  readonly kind: "run";
  readonly command: CommandForm;
  readonly mounts: readonly RunMount[];
  readonly network?: string;
  readonly security?: string;
}
/** `--mount=type=…,key=value…`, fields in order, values unexpanded. */
export interface RunMount {
  readonly fields: readonly { readonly key: string; readonly value?: string }[];
  readonly range: SourceRange;
}
/** What COPY and ADD share; flag values unexpanded. `sources` has the heredoc words (`<<EOF`) in their places. */
export interface TransferInstruction extends InstructionBase {
  readonly kind: "copy" | "add";
  readonly sources: readonly Word[];
  readonly destination: Word;
  readonly from?: string;
  readonly chown?: string;
  readonly chmod?: string;
  readonly link: boolean;
  readonly parents: boolean;
  readonly exclude: readonly string[];
  readonly checksum?: string;
  /** Absent when the flag is not there. */
  readonly keepGitDir?: boolean;
  readonly unpack?: boolean;
}
export interface EnvInstruction extends InstructionBase {
  readonly kind: "env";
  readonly pairs: readonly KeyValue[];
}
export interface LabelInstruction extends InstructionBase {
  readonly kind: "label";
  readonly pairs: readonly KeyValue[];
}
export interface ArgInstruction extends InstructionBase {
  readonly kind: "arg";
  readonly args: readonly { readonly name: Word; readonly value?: Word }[];
}
export interface WorkdirInstruction extends InstructionBase {
  readonly kind: "workdir";
  readonly path: Word;
}
export interface UserInstruction extends InstructionBase {
  readonly kind: "user";
  readonly user: Word;
}
export interface ExposeInstruction extends InstructionBase {
  readonly kind: "expose";
  readonly ports: readonly Word[];
}
export interface VolumeInstruction extends InstructionBase {
  readonly kind: "volume";
  readonly volumes: readonly Word[];
}
export interface CommandInstruction extends InstructionBase {
  readonly kind: "cmd" | "entrypoint";
  readonly command: CommandForm;
}
export interface ShellInstruction extends InstructionBase {
  readonly kind: "shell";
  readonly shell: readonly string[];
}
export interface StopSignalInstruction extends InstructionBase {
  readonly kind: "stopsignal";
  readonly signal: Word;
}
/** Durations in nanoseconds; zero or absent means inherit. `test` is absent for NONE. */
export interface HealthcheckInstruction extends InstructionBase {
  readonly kind: "healthcheck";
  readonly none: boolean;
  readonly test?: CommandForm;
  readonly interval?: number;
  readonly timeout?: number;
  readonly startPeriod?: number;
  readonly startInterval?: number;
  readonly retries?: number;
}
export interface OnbuildInstruction extends InstructionBase {
  readonly kind: "onbuild";
  /** The trigger as the config's `OnBuild` stores it. */
  readonly trigger: string;
  /** Absent when the trigger is no valid instruction: it is stored all the same and fails where it is used. */
  readonly instruction?: Instruction;
}
export interface MaintainerInstruction extends InstructionBase {
  readonly kind: "maintainer";
  readonly maintainer: string;
}

export type Instruction =
  | FromInstruction
  | RunInstruction
  | TransferInstruction
  | EnvInstruction
  | LabelInstruction
  | ArgInstruction
  | WorkdirInstruction
  | UserInstruction
  | ExposeInstruction
  | VolumeInstruction
  | CommandInstruction
  | ShellInstruction
  | StopSignalInstruction
  | HealthcheckInstruction
  | OnbuildInstruction
  | MaintainerInstruction;

/** One FROM and what follows it. */
export interface Stage {
  readonly from: FromInstruction;
  /** Lower-cased alias. */
  readonly name?: string;
  readonly instructions: readonly Instruction[];
}

/** `# key=value` in the leading block. */
export interface Directive {
  readonly name: string;
  readonly value: string;
  readonly range: SourceRange;
}

/** Something odd that does not stop a build. `rule` is BuildKit's name, e.g. `LegacyKeyValueFormat`. */
export interface Warning {
  readonly rule: string;
  readonly message: string;
  readonly range: SourceRange;
}

export interface Dockerfile {
  /** The text that was parsed, for excerpts. */
  readonly text: string;
  /** The name it is shown by. */
  readonly file: string;
  readonly escape: "\\" | "`";
  readonly directives: readonly Directive[];
  /** ARGs before the first FROM. */
  readonly globalArgs: readonly ArgInstruction[];
  readonly stages: readonly Stage[];
  readonly warnings: readonly Warning[];
}
