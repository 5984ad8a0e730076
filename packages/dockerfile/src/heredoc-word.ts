import { VarveError } from "@varve/errors";
import { expandWords } from "./expansion.ts";

/** A word that opens a heredoc: `<<EOF`, `<< EOF`, `<<-"E F"`, `3<<X`. */
export interface HeredocWord {
  readonly name: string;
  readonly fileDescriptor: number;
  /** False when any part of the name was quoted. */
  readonly expand: boolean;
  /** `<<-`. */
  readonly chomp: boolean;
}

const WORD = /^(\d*)<<(-?)[\t\n\f\r ]*([^<]*)$/;
const nothing = (): undefined => undefined;

/** Reads a word as the opening of a heredoc; `undefined` when it is none. The escape is always `\`. */
export function parseHeredocWord(word: string): HeredocWord | undefined {
  const match = WORD.exec(word);
  const rest = match?.[3];
  if (match === null || rest === undefined || rest === "") return undefined;
  const plain = lex(rest, false);
  if (plain?.length !== 1 || plain[0] === undefined) return undefined;
  const name = plain[0];
  const raw = lex(rest, true)?.[0] ?? name;
  return { name, fileDescriptor: Math.min(Number(match[1]), Number.MAX_SAFE_INTEGER), expand: quoteCount(name) === quoteCount(raw), chomp: match[2] === "-" };
}

/** The heredocs an instruction's line opens, in order. A line whose quotes don't close opens none, and nor does `<<- EOF` with a blank. */
export function heredocWords(line: string): HeredocWord[] {
  if (!line.includes("<<")) return [];
  const words = lexed(() => expandWords(line, { lookup: nothing, keepUnset: true, rawQuotes: true, rawEscapes: true, limit: Number.POSITIVE_INFINITY }).values);
  return (words ?? []).map(parseHeredocWord).filter((word) => word !== undefined);
}

function lex(word: string, rawQuotes: boolean): readonly string[] | undefined {
  return lexed(() => expandWords(word, { lookup: nothing, keepUnset: true, rawQuotes }).values);
}

function lexed(run: () => readonly string[]): readonly string[] | undefined {
  try {
    return run();
  } catch (error) {
    if (error instanceof VarveError) return undefined;
    throw error;
  }
}

function quoteCount(text: string): number {
  return text.replace(/[^'"]/g, "").length;
}
