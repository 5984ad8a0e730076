import { type LogicalLine, sliceToken, type Token } from "./logical-line.ts";
import { isSeparator, isSpace } from "./white-space.ts";

/**
 * Splits `[start, end)` of a line into shell words, as ENV, LABEL and ARG need: blanks inside quotes or after an escape
 * don't split. Quotes and escapes stay in the words; an escape at the very end is dropped.
 */
export function splitShellWords(line: LogicalLine, start: number, options: { readonly end: number; readonly escape: string }): Token[] {
  const { text } = line;
  const { end, escape } = options;
  const words: Token[] = [];
  let at = start;
  while (at < end) {
    if (isSpace(text.charCodeAt(at))) {
      at++;
      continue;
    }
    const word = scanWord(text, at, { end, escape });
    if (word.contentEnd > at) words.push(sliceToken(line, at, word.contentEnd));
    at = word.next;
  }
  return words;
}

function scanWord(
  text: string,
  start: number,
  options: { readonly end: number; readonly escape: string },
): { readonly contentEnd: number; readonly next: number } {
  const { end, escape } = options;
  let quote = "";
  for (let at = start; at < end; at++) {
    const char = text[at] ?? "";
    if (quote === "" && isSpace(char.charCodeAt(0))) return { contentEnd: at, next: at };
    if (char === escape && quote !== "'") {
      if (at + 1 === end) return { contentEnd: at, next: end };
      at++;
      continue;
    }
    if (quote === "" && (char === "'" || char === '"')) quote = char;
    else if (char === quote) quote = "";
  }
  return { contentEnd: end, next: end };
}

/** Splits `[start, end)` of a line at blanks, quotes meaning nothing: what FROM, EXPOSE, COPY, ADD and VOLUME do. */
export function splitAtBlanks(line: LogicalLine, start: number, end: number): Token[] {
  const words: Token[] = [];
  let from = start;
  for (let at = start; at <= end; at++) {
    if (at < end && !isSeparator(line.text.charCodeAt(at))) continue;
    if (at > from) words.push(sliceToken(line, from, at));
    from = at + 1;
  }
  return words;
}

/** Where the first blank is and where the next word starts; both `end` when there is no blank. */
export function firstBlank(line: LogicalLine, start: number, end: number): { readonly wordEnd: number; readonly next: number } {
  let wordEnd = start;
  while (wordEnd < end && !isSeparator(line.text.charCodeAt(wordEnd))) wordEnd++;
  let next = wordEnd;
  while (next < end && isSeparator(line.text.charCodeAt(next))) next++;
  return { wordEnd, next };
}
