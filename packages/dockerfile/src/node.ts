import type { LogicalLine, Token } from "./logical-line.ts";

/** Name and value of an ENV or LABEL pair; `legacy` for the form `ENV name value`. */
export interface PairTokens {
  readonly key: Token;
  readonly value: Token;
}

/** Arguments, split as the instruction's grammar asks, nothing checked yet. */
export type NodeArguments =
  /** Nothing after the keyword and flags. */
  | { readonly kind: "none" }
  /** A JSON array of strings. */
  | { readonly kind: "json"; readonly items: readonly Token[] }
  /** All the rest as one. */
  | { readonly kind: "text"; readonly text: Token }
  | { readonly kind: "words"; readonly words: readonly Token[] }
  | { readonly kind: "pairs"; readonly pairs: readonly PairTokens[]; readonly legacy: boolean }
  | { readonly kind: "health"; readonly type: Token; readonly command: NodeArguments }
  | { readonly kind: "onbuild"; readonly child: InstructionNode };

/** An instruction as far as its line goes: keyword, flags and arguments, all as tokens of `line`. */
export interface InstructionNode {
  readonly line: LogicalLine;
  /** `value` in upper case when it has ASCII letters only. */
  readonly keyword: Token;
  readonly flags: readonly Token[];
  readonly args: NodeArguments;
  /** Where the instruction ends in the line, blanks at the end left out. */
  readonly end: number;
}
