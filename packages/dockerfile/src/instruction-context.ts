import type { ErrorCode, SourceRange } from "@varve/errors";
import type { Heredoc, Warning, Word } from "./ast.ts";
import { lineRange, type Token } from "./logical-line.ts";
import type { InstructionNode } from "./node.ts";
import { sourceError, type Source } from "./syntax-error.ts";

/** What turning one node into a typed instruction needs. */
export interface InstructionContext {
  readonly source: Source;
  readonly node: InstructionNode;
  readonly heredocs: readonly Heredoc[];
  /** End of the instruction in the source, heredocs included. */
  readonly sourceEnd: number;
  warn(warning: Warning): void;
}

/**
 * An instruction while it is put together. Members that may be missing are set one by one, and nothing is spread in front of other members:
 * both make V8 give every object a hidden class of its own, which costs microseconds and outlives the object.
 */
export type Draft<T> = { -readonly [K in keyof T]: T[K] };

/** The fields every instruction has. */
export interface InstructionHead {
  readonly keyword: string;
  readonly keywordRange: SourceRange;
  readonly range: SourceRange;
  readonly original: string;
  readonly heredocs: readonly Heredoc[];
}

/** Builds the fields every instruction has; flags come from `parseFlags`. */
export function instructionHead(context: InstructionContext): InstructionHead {
  const { node, source } = context;
  const keywordRange = tokenRange(context, node.keyword);
  return {
    keyword: node.keyword.value,
    keywordRange,
    range: { start: keywordRange.start, end: source.lines.position(context.sourceEnd) },
    original: node.line.text.slice(node.keyword.start, node.end),
    heredocs: context.heredocs,
  };
}

/** Source range of a token of the node's line. */
export function tokenRange(context: InstructionContext, token: Token): SourceRange {
  return lineRange(context.source.lines, context.node.line, token);
}

/** A token as the AST has it. */
export function toWord(context: InstructionContext, token: Token): Word {
  return { value: token.value, range: tokenRange(context, token) };
}

/** Source range of keyword and arguments, heredoc bodies left out: what errors about the whole instruction show. */
export function nodeRange(context: InstructionContext): SourceRange {
  return lineRange(context.source.lines, context.node.line, { start: context.node.keyword.start, end: context.node.end });
}

/** Throws an error at a token, or at the whole instruction. */
export function fail(
  context: InstructionContext,
  message: string,
  options: { readonly at?: Token; readonly hint?: string | undefined; readonly code?: ErrorCode } = {},
): never {
  throw sourceError(context.source, options.code ?? "DOCKERFILE_SYNTAX", message, {
    range: options.at === undefined ? nodeRange(context) : tokenRange(context, options.at),
    hint: options.hint,
  });
}
