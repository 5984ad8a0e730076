import type { LogicalLine, Token } from "./logical-line.ts";
import { isSpace, skipSpace } from "./white-space.ts";

/** The leading `--name[=value]` words of an instruction, and where what follows them starts. */
export interface SplitFlags {
  /** Values without their quotes and escapes. */
  readonly flags: readonly Token[];
  readonly rest: number;
}

/**
 * Takes the flags off the front of `[start, end)`. A word `--` ends them. Characters are read as such, where BuildKit
 * reads bytes and so garbles names outside ASCII.
 */
export function splitFlags(line: LogicalLine, start: number, options: { readonly end: number; readonly escape: string }): SplitFlags {
  const { end, escape } = options;
  const flags: Token[] = [];
  let at = start;
  for (;;) {
    at = Math.min(skipSpace(line.text, at), end);
    if (!line.text.startsWith("--", at) || at + 2 > end) return { flags, rest: at };
    const flag = readFlag(line.text, at, { end, escape });
    at = flag.end;
    if (flag.value === "--") return { flags, rest: Math.min(skipSpace(line.text, at), end) };
    flags.push(flag);
  }
}

function readFlag(text: string, start: number, options: { readonly end: number; readonly escape: string }): Token {
  const { end, escape } = options;
  let at = start;
  for (; at < end; at++) {
    const code = text.charCodeAt(at);
    if (isSpace(code)) return { value: text.slice(start, at), start, end: at };
    if (code === SINGLE_QUOTE || code === DOUBLE_QUOTE || text[at] === escape) return readQuotedFlag(text, { start, at }, options);
  }
  return { value: text.slice(start, end), start, end };
}

const SINGLE_QUOTE = 0x27;
const DOUBLE_QUOTE = 0x22;

/** A flag whose first quote or escape is at `at`. */
function readQuotedFlag(
  text: string,
  { start, at: from }: { readonly start: number; readonly at: number },
  { end, escape }: { readonly end: number; readonly escape: string },
): Token {
  const value = [text.slice(start, from)];
  let quote = "";
  let at = from;
  for (; at < end; at++) {
    const char = text[at] ?? "";
    if (quote === "" && isSpace(char.charCodeAt(0))) break;
    if (char === escape) {
      at++;
      if (at < end) value.push(text[at] ?? "");
    } else if (quote === "" && (char === "'" || char === '"')) quote = char;
    else if (char === quote) quote = "";
    else value.push(char);
  }
  return { value: value.join(""), start, end: Math.min(at, end) };
}
