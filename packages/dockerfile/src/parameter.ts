import { findMatch, matchPrefix, parseShellPattern, reversePattern, type ShellPattern } from "./shell-pattern.ts";
import { expandTemplate } from "./replacement-template.ts";
import type { WordAccumulator } from "./word-accumulator.ts";

/** The lexer a `$` expression is read from. */
export interface ParameterContext {
  /** A variable's value. */
  readonly get: (name: string) => string | undefined;
  /** Throws DOCKERFILE_EXPANSION. */
  readonly fail: (message: string, hint?: string) => never;
  readonly keepUnset: boolean;
  /** The word, shortened for messages. */
  readonly whole: () => string;
  readonly peek: () => string | undefined;
  readonly next: () => string | undefined;
  /** Reads a name; empty when none stands here. */
  readonly name: () => string;
  /** Expands up to `stop`, which it takes; `undefined` is the end of the word. */
  readonly until: (stop: string | undefined, rawEscapes: boolean) => WordAccumulator;
}

/** Expands the expression whose `$` stands next: `$name`, `${name}` or `${name<modifier>…}`. A `$` before anything else stays. */
export function expandParameter(context: ParameterContext): string {
  context.next();
  if (context.peek() !== "{") {
    const name = context.name();
    if (name === "") return "$";
    return context.get(name) ?? (context.keepUnset ? `$${name}` : "");
  }
  context.next();
  const first = context.peek();
  if (first === undefined) return missingBrace(context);
  if (first === "{" || first === "}" || first === ":") return context.fail(`bad substitution in ${context.whole()}`);
  const name = context.name();
  const modifier = context.next();
  if (modifier === undefined) return missingBrace(context);
  if (modifier === "}") return context.get(name) ?? (context.keepUnset ? `\${${name}}` : "");
  if (modifier === "/") return replace(context, name);
  if (modifier === "#" || modifier === "%") return trim(context, name, modifier);
  if (modifier === ":") {
    const second = context.next();
    if (second === undefined) return missingBrace(context);
    return "-+?".includes(second) ? choose(context, name, { modifier: second, emptyIsUnset: true }) : unsupported(context, `:${second}`);
  }
  return "-+?".includes(modifier) ? choose(context, name, { modifier, emptyIsUnset: false }) : unsupported(context, modifier);
}

/** `-` `+` `?`, with or without the colon. The word is expanded even where it isn't taken, so its errors count. */
function choose(context: ParameterContext, name: string, options: { readonly modifier: string; readonly emptyIsUnset: boolean }): string {
  const { modifier, emptyIsUnset } = options;
  const word = context.until("}", false).text();
  const value = context.get(name);
  if (value === undefined && context.keepUnset) return `\${${name}${emptyIsUnset ? ":" : ""}${modifier}${word}}`;
  const missing = value === undefined || (emptyIsUnset && value === "");
  if (modifier === "+") return missing ? "" : word;
  if (!missing) return value;
  if (modifier === "-") return word;
  return context.fail(
    `${name}: ${word !== "" ? word : `is not allowed to be ${value === undefined ? "unset" : "empty"}`}`,
    `set ${name}, with --build-arg if it is an ARG`,
  );
}

/** `#` `##` `%` `%%`: cuts the shortest or longest match off the start or the end. */
function trim(context: ParameterContext, name: string, side: "#" | "%"): string {
  const word = context.until("}", true).text();
  const value = context.get(name);
  if (value === undefined && context.keepUnset) return `\${${name}${side}${word}}`;
  const greedy = word.startsWith(side);
  const written = greedy ? word.slice(1) : word;
  const chars = Array.from(value ?? "");
  if (side === "#") return chars.slice(matchPrefix(parseShellPattern(written), chars, greedy) ?? 0).join("");
  // the shortest match at the end is the shortest at the start of everything reversed
  const length = matchPrefix(parseShellPattern(reversePattern(written)), chars.toReversed(), greedy) ?? 0;
  return chars.slice(0, chars.length - length).join("");
}

/** `/` and `//`: the first, or every, longest match replaced. Escapes stay in the replacement. */
function replace(context: ParameterContext, name: string): string {
  const all = context.peek() === "/";
  if (all) context.next();
  const written = context.until("/", true).text();
  const replacement = context.until("}", true).text();
  const value = context.get(name);
  if (value === undefined && context.keepUnset) return `\${${name}/${written}/${replacement}}`;
  const pattern = parseShellPattern(written);
  const chars = Array.from(value ?? "");
  if (all) return replaceAll(pattern, chars, replacement);
  const match = findMatch(pattern, chars, 0);
  return match === undefined ? chars.join("") : chars.slice(0, match.start).join("") + replacement + chars.slice(match.end).join("");
}

/** As Go's `regexp.ReplaceAllString`: `$` means something in the replacement, and an empty match right after a match doesn't count. */
function replaceAll(pattern: ShellPattern, chars: readonly string[], replacement: string): string {
  const parts: string[] = [];
  let kept = 0;
  let lastEnd = -1;
  for (let from = 0; from <= chars.length;) {
    const match = findMatch(pattern, chars, from);
    if (match === undefined) break;
    const empty = match.end === match.start;
    if (!empty || match.start !== lastEnd) {
      parts.push(chars.slice(kept, match.start).join(""), expandTemplate(replacement, chars.slice(match.start, match.end).join("")));
      kept = match.end;
    }
    lastEnd = match.end;
    from = empty ? match.end + 1 : match.end;
  }
  parts.push(chars.slice(kept).join(""));
  return parts.join("");
}

function unsupported(context: ParameterContext, modifier: string): never {
  return context.fail(`unsupported modifier ${modifier} in ${context.whole()}`, "known are :- - :+ + :? ? # ## % %% / and //");
}

/** Where a word ends at the first blank, an expression with one must be quoted. */
export const BRACE_HINT = "close the expression; put the word in quotes when a blank stands in it";

function missingBrace(context: ParameterContext): never {
  return context.fail(`a } is missing in ${context.whole()}`, BRACE_HINT);
}
