import { VarveError } from "@varve/errors";
import type { ArgInstruction, Dockerfile, Heredoc, Instruction, Stage, Warning } from "./ast.ts";
import { otherLanguage, remoteFrontend } from "./frontend.ts";
import { type HeredocWord, heredocWords } from "./heredoc-word.ts";
import type { InstructionContext } from "./instruction-context.ts";
import { typeInstruction } from "./instruction-parser.ts";
import { createLineMap } from "./line-map.ts";
import { createLineScanner, type LineScanner } from "./line-scanner.ts";
import { type LogicalLine, lineRange, sourceOffset } from "./logical-line.ts";
import type { InstructionNode } from "./node.ts";
import { parseNode } from "./node-parser.ts";
import { sourceError, type Source } from "./syntax-error.ts";

/** How a Dockerfile is shown. */
export interface ParseOptions {
  /** The name errors show; `Dockerfile` by default. */
  readonly file?: string | undefined;
}

/** A Dockerfile with all that is wrong with it. */
export interface TolerantResult {
  /** What could be parsed; instructions with errors are left out. */
  readonly dockerfile: Dockerfile;
  /** In the order of the text. */
  readonly errors: readonly VarveError[];
}

/** Largest Dockerfile, in UTF-16 units. */
export const DOCKERFILE_LIMIT: number = 4 * 1024 * 1024;

/** Parses a Dockerfile. Throws the first error, with the place in `source`: codes `DOCKERFILE_*`. */
export function parseDockerfile(text: string, options: ParseOptions = {}): Dockerfile {
  return parse(text, options, (error) => {
    throw error;
  });
}

/** Parses a Dockerfile for an editor: errors are collected, never thrown, and parsing goes on with the next instruction. */
export function parseDockerfileTolerant(text: string, options: ParseOptions = {}): TolerantResult {
  const errors: VarveError[] = [];
  // a stack costs as much as the rest of an error, there may be one a line, and what is wrong is in the text
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return { dockerfile: parse(text, options, (error) => errors.push(error)), errors };
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/**
 * Parses one ONBUILD trigger as an image's config stores it (heredoc bodies included), always with the escape `\`.
 * Throws as {@link parseDockerfile}; FROM, MAINTAINER and ONBUILD are refused.
 */
export function parseOnbuild(trigger: string, options: ParseOptions = {}): Instruction {
  const source: Source = { file: options.file ?? "ONBUILD trigger", lines: createLineMap(trigger) };
  const found: Instruction[] = [];
  const refuse = (message: string): never => {
    throw sourceError(source, "DOCKERFILE_SYNTAX", message, {
      range: source.lines.range(0, trigger.length),
      hint: "the base image's config holds this trigger; another base image may help",
    });
  };
  readInstructions(source, {
    report: (error) => {
      throw error;
    },
    warn: () => {},
    accept: (instruction) => found.push(instruction),
  });
  const instruction = found[0];
  if (instruction === undefined || found.length > 1) return refuse(`an ONBUILD trigger holds ${found.length} instructions`);
  if (instruction.kind === "from" || instruction.kind === "maintainer" || instruction.kind === "onbuild")
    return refuse(`${instruction.keyword} cannot be an ONBUILD trigger`);
  return instruction;
}

type Report = (error: VarveError) => void;

interface Sink {
  readonly report: Report;
  readonly warn: (warning: Warning) => void;
  readonly accept: (instruction: Instruction) => void;
}

interface OpenStage {
  readonly from: Stage["from"];
  readonly instructions: Instruction[];
}

function parse(text: string, options: ParseOptions, report: Report): Dockerfile {
  const file = options.file ?? "Dockerfile";
  const problem = unreadable(text, file);
  if (problem !== undefined) report(problem);
  const source: Source = { file, lines: createLineMap(problem === undefined ? text : "") };
  const frontend = remoteFrontend(source);
  const warnings: Warning[] = frontend === undefined ? [] : [frontend];
  const globalArgs: ArgInstruction[] = [];
  const stages: OpenStage[] = [];
  let found = 0;
  const scanner = readInstructions(source, {
    report: (error) => {
      found++;
      report(error);
    },
    warn: (warning) => warnings.push(warning),
    accept: (instruction) => {
      found++;
      if (instruction.kind === "from") stages.push({ from: instruction, instructions: [] });
      else if (stages.length > 0) stages.at(-1)?.instructions.push(instruction);
      else if (instruction.kind === "arg") globalArgs.push(instruction);
      else
        report(
          sourceError(source, "DOCKERFILE_SYNTAX", `${instruction.keyword} stands before the first FROM`, {
            range: instruction.keywordRange,
            hint: "only ARG may stand there",
          }),
        );
    },
  });
  if (problem === undefined && stages.length === 0 && (found === 0 || globalArgs.length === found)) {
    report(
      sourceError(source, "DOCKERFILE_EMPTY", found === 0 ? `${file} has no instructions` : `${file} has no FROM`, {
        range: source.lines.range(text.length, text.length),
        hint: "start with FROM and an image, or FROM scratch",
      }),
    );
  }
  return {
    text,
    file,
    escape: scanner.escape(),
    directives: scanner.directives,
    globalArgs,
    stages: stages.map(({ from, instructions }) => ({ from, ...(from.alias === undefined ? {} : { name: from.alias.value.toLowerCase() }), instructions })),
    warnings: [...scanner.warnings, ...warnings].toSorted((a, b) => a.range.start.offset - b.range.start.offset),
  };
}

/** Why a text is not even looked at. */
function unreadable(text: string, file: string): VarveError | undefined {
  if (text.length > DOCKERFILE_LIMIT) return new VarveError("DOCKERFILE_TOO_LARGE", `${file} is larger than ${DOCKERFILE_LIMIT / 1024 / 1024} MiB`);
  const source: Source = { file, lines: createLineMap(text) };
  const other = otherLanguage(source);
  if (other === undefined) return undefined;
  return sourceError(source, "DOCKERFILE_DIRECTIVE", `${file} is written for the frontend ${other.frontend}, which is not fetched`, {
    range: other.range,
    hint: "only Dockerfiles are read here, their comments start with #; build this file with BuildKit",
  });
}

/** Lines → nodes → typed instructions; an instruction that is wrong is reported and left out. */
function readInstructions(source: Source, sink: Sink): LineScanner {
  const report = (error: unknown): void => {
    if (!(error instanceof VarveError)) throw error;
    sink.report(error);
  };
  const scanner = createLineScanner(source, report);
  for (;;) {
    const line = scanner.next();
    if (line === undefined) return scanner;
    try {
      sink.accept(readInstruction(source, { scanner, line, warn: sink.warn }));
    } catch (error) {
      report(error);
    }
  }
}

function readInstruction(
  source: Source,
  { scanner, line, warn }: { readonly scanner: LineScanner; readonly line: LogicalLine; readonly warn: InstructionContext["warn"] },
): Instruction {
  const node = parseNode(line, { source, escape: scanner.escape() });
  const lineEnd = node.end > 0 ? sourceOffset(line, node.end - 1) + 1 : sourceOffset(line, 0);
  const { heredocs, end } = takesHeredocs(node) ? readHeredocs(source, { scanner, node }) : { heredocs: [], end: undefined };
  return typeInstruction({ source, node, heredocs, sourceEnd: end ?? lineEnd, warn });
}

const HEREDOC_KEYWORDS = new Set(["RUN", "COPY", "ADD"]);

/** RUN, COPY and ADD in other than JSON form, also as triggers. */
function takesHeredocs(node: InstructionNode): boolean {
  const inner = node.args.kind === "onbuild" ? node.args.child : node;
  return HEREDOC_KEYWORDS.has(inner.keyword.value) && inner.args.kind !== "json";
}

function readHeredocs(
  source: Source,
  { scanner, node }: { readonly scanner: LineScanner; readonly node: InstructionNode },
): { readonly heredocs: readonly Heredoc[]; readonly end: number | undefined } {
  let end: number | undefined;
  const heredocs = heredocWords(node.line.text).map((word): Heredoc => {
    const body = scanner.heredoc(word.name, word.chomp);
    if (body === undefined) {
      const range = lineRange(source.lines, node.line, { start: node.keyword.start, end: node.end });
      throw sourceError(source, "DOCKERFILE_HEREDOC", `heredoc ${word.name} has no end`, {
        range,
        hint: endHint(word, source.lines.text.slice(range.end.offset)),
      });
    }
    end = body.terminatorEnd;
    return {
      name: word.name,
      fileDescriptor: word.fileDescriptor,
      expand: word.expand,
      chomp: word.chomp,
      content: word.chomp ? body.content.replace(/(^|\n)\t+/g, "$1") : body.content,
      raw: body.content,
      range: source.lines.range(body.start, body.end),
    };
  });
  return { heredocs, end };
}

function endHint({ name, chomp }: HeredocWord, rest: string): string {
  if (/[)\]]/.test(name)) return "<< opens a heredoc, also in arithmetic: put what is meant for the shell in double quotes";
  const blanks = rest.split("\n").some((line) => line.trim() === name);
  return `a line that holds only ${name} ends it${chomp ? "; tabs may stand before it" : ""}${blanks ? "; blanks around it count, and there are some" : ""}`;
}
