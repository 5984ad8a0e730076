import { type SourceExcerpt, VarveError } from "@varve/errors";
import { BRACE_HINT, expandParameter, type ParameterContext } from "./parameter.ts";
import { createWordAccumulator, type WordAccumulator } from "./word-accumulator.ts";

/** How a word is expanded. */
export interface ExpandOptions {
  /** The Dockerfile's escape character; `\` by default. */
  readonly escape?: string | undefined;
  /** A variable's value; `undefined` when it isn't set. */
  readonly lookup: (name: string) => string | undefined;
  /** Quotes mean nothing and stay (heredoc bodies). */
  readonly skipQuotes?: boolean | undefined;
  /** Quotes protect, and stay in the result. */
  readonly rawQuotes?: boolean | undefined;
  /** Escapes protect, and stay in the result. */
  readonly rawEscapes?: boolean | undefined;
  /** Expressions of variables that aren't set stay as they are written, instead of becoming empty. */
  readonly keepUnset?: boolean | undefined;
  /** Most UTF-16 units the result, or any part of it on the way, may have; 1 MiB by default. */
  readonly limit?: number | undefined;
  /** What errors point at. */
  readonly source?: SourceExcerpt | undefined;
}

/** A word's value. */
export interface ExpandedWord {
  readonly value: string;
  /** Names that were looked up and found, in order of first use; also those in parts that were not taken. */
  readonly used: readonly string[];
  /** Names that were looked up and not found. */
  readonly unset: readonly string[];
}

/** What {@link expandWords} gives. */
export interface ExpandedWords {
  readonly values: readonly string[];
  readonly used: readonly string[];
  readonly unset: readonly string[];
}

/** Most UTF-16 units of one expansion, unless told otherwise. */
export const EXPANSION_LIMIT: number = 1024 * 1024;
/** An expansion may look at this many times its limit, so that results thrown away (`${x:+$big}`, `${big##*}`) can't add up. */
const WORK_FACTOR = 16;
/** How deep `${a:-${b:-…}}` may nest. */
const NESTING_LIMIT = 100;

/**
 * Expands one word as BuildKit's shell lexer does: quotes and escapes removed, `$x`, `${x}` and `${x…}` with `:-` `-`
 * `:+` `+` `:?` `?` `#` `##` `%` `%%` `/` `//` replaced; the result isn't split. Throws DOCKERFILE_EXPANSION.
 */
export function expandWord(word: string, options: ExpandOptions): ExpandedWord {
  const { words, used, unset } = run(word, options);
  return { value: words.text(), used, unset };
}

/** As {@link expandWord}, the result split at blanks that are neither quoted nor escaped: only EXPOSE does that. */
export function expandWords(word: string, options: ExpandOptions): ExpandedWords {
  const { words, used, unset } = run(word, options);
  return { values: words.words(), used, unset };
}

/** Expands the body of a COPY or ADD heredoc: the escape is always `\`, quotes stay. Limit: what was written plus 1 MiB. */
export function expandHeredoc(content: string, options: Pick<ExpandOptions, "lookup" | "source">): ExpandedWord {
  return expandWord(content, { ...options, escape: "\\", skipQuotes: true, limit: content.length + EXPANSION_LIMIT });
}

function run(word: string, options: ExpandOptions): { readonly words: WordAccumulator; readonly used: readonly string[]; readonly unset: readonly string[] } {
  const used = new Set<string>();
  const unset = new Set<string>();
  const lexer = createLexer(word, options, (name) => {
    const value = options.lookup(name);
    (value === undefined ? unset : used).add(name);
    return value;
  });
  try {
    const words = lexer.until(undefined, options.rawEscapes ?? false);
    return { words, used: [...used], unset: [...unset] };
  } catch (error) {
    if (!(error instanceof VarveError) || error.source !== undefined || options.source === undefined) throw error;
    throw new VarveError(error.code, error.message, { hint: error.hint, source: options.source, cause: error });
  }
}

function createLexer(text: string, options: ExpandOptions, get: (name: string) => string | undefined): ParameterContext {
  const escape = options.escape ?? "\\";
  const limit = options.limit ?? EXPANSION_LIMIT;
  // Go's scanner drops a byte order mark in front of a word
  let at = text.startsWith("\ufeff") ? 1 : 0;
  let depth = 0;
  let work = 0;
  let raw = false;

  const fail = (message: string, hint?: string): never => {
    throw new VarveError("DOCKERFILE_EXPANSION", message, { hint });
  };
  const charge = (length: number): void => {
    work += length;
    if (work > limit * WORK_FACTOR) fail(`an expansion is more work than ${WORK_FACTOR} times its limit of ${limit} characters`);
  };
  const check = (length: number): void => {
    if (length > limit) fail(`an expansion grows past ${limit} characters`, "variables that hold variables multiply; split the value");
  };

  const singleQuoted = (): string => {
    const close = text.indexOf("'", at + 1);
    if (close === -1) return fail(`a single quote is not closed in ${excerpt(text)}`, "close it, or write \\' for the character itself");
    const inner = text.slice(at + 1, close);
    at = close + 1;
    return options.rawQuotes === true ? `'${inner}'` : inner;
  };

  const doubleQuoted = (): string => {
    const parts: string[] = options.rawQuotes === true ? ['"'] : [];
    let length = 0;
    at++;
    for (;;) {
      const char = text[at];
      if (char === undefined) return fail(`a double quote is not closed in ${excerpt(text)}`, 'close it, or write \\" for the character itself');
      if (char === '"') {
        at++;
        if (options.rawQuotes === true) parts.push(char);
        return parts.join("");
      }
      if (char === "$") {
        const value = dollar();
        length += value.length;
        check(length);
        parts.push(value);
        continue;
      }
      at++;
      if (char === escape) {
        const next = text[at];
        if (raw) parts.push(char);
        if (next === undefined) continue;
        if (next === '"' || next === "$" || next === escape) {
          at++;
          parts.push(next);
          continue;
        }
      }
      parts.push(char);
    }
  };

  const dollar = (): string => {
    if (++depth > NESTING_LIMIT) fail(`expansions nest more than ${NESTING_LIMIT} deep in ${excerpt(text)}`);
    const value = expandParameter(context);
    depth--;
    return value;
  };

  // a heredoc's name may stand apart from its <<, and is one word with it
  const heredocOperator = (): string => {
    const start = at;
    for (at += 2; text[at] === " " || text[at] === "\t" || text[at] === "\r";) at++;
    return text.slice(start, at);
  };

  const until = (stop: string | undefined, rawEscapes: boolean): WordAccumulator => {
    const words = createWordAccumulator(check);
    const before = raw;
    raw = rawEscapes;
    let plain = at;
    const flush = (): void => {
      if (at > plain) words.addText(text.slice(plain, at));
    };
    for (; at < text.length;) {
      const char = text[at];
      if (char === stop) {
        flush();
        at++;
        raw = before;
        return words;
      }
      const quotes = options.skipQuotes !== true && (char === "'" || char === '"');
      const opens = char === "<" && text[at + 1] === "<";
      if (!quotes && !opens && char !== "$" && char !== escape) {
        at++;
        continue;
      }
      flush();
      if (opens) words.addQuoted(heredocOperator());
      else if (char === "$") words.addText(dollar());
      else if (quotes) words.addQuoted(char === "'" ? singleQuoted() : doubleQuoted());
      else {
        at++;
        const next = text.codePointAt(at);
        const escaped = next === undefined ? "" : String.fromCodePoint(next);
        words.addQuoted((raw ? escape : "") + escaped);
        at += escaped.length;
      }
      plain = at;
    }
    flush();
    raw = before;
    if (stop !== undefined)
      fail(
        stop === "/" ? `a / is missing in ${excerpt(text)}` : `a } is missing in ${excerpt(text)}`,
        stop === "/" ? "write ${name/pattern/replacement}" : BRACE_HINT,
      );
    return words;
  };

  const context: ParameterContext = {
    get: (name) => {
      const value = get(name);
      charge(value?.length ?? 0);
      return value;
    },
    fail,
    keepUnset: options.keepUnset ?? false,
    whole: () => excerpt(text),
    peek: () => text[at],
    next: () => text[at++],
    name: () => {
      const name = readName(text, at);
      at += name.length;
      return name;
    },
    until,
  };
  return context;
}

const NAME = /[\p{L}\p{Nd}_]+/uy;
const DIGITS = /\p{Nd}+/uy;
const SPECIAL = "@*#?-$!0";

/** A name: digits alone, one special parameter character, or letters, digits and `_`; empty when there is none. */
function readName(text: string, at: number): string {
  for (const pattern of [DIGITS, NAME]) {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match !== null) return match[0];
    const char = text[at];
    if (char !== undefined && SPECIAL.includes(char)) return char;
  }
  return "";
}

/** The word for a message, shortened. */
function excerpt(text: string): string {
  return text.length <= 60 ? text : `${text.slice(0, 57)}...`;
}
