import { compileCommonPattern } from "./common-pattern.ts";
import { DIRECTORIES, parseGoRegexp } from "./go-regexp.ts";
import { isGlob } from "./glob.ts";
import { createAutomaton, literal, type PathAutomaton, type PatternElement } from "./path-automaton.ts";

/** One pattern of an ignore file, compiled. Paths are relative, `/`-separated and clean; parents are the caller's business. */
export type IgnorePattern = PathAutomaton;

/** What moby/patternmatcher escapes of what means nothing to `filepath.Match` but something in a regular expression; it means to escape `|` too. */
const ESCAPED = new Set(".+()$");
const NO_SLASH = "[^/]";
const EVERYTHING: PatternElement = { kind: "many", test: () => true };

/**
 * Compiles a clean pattern (no `.`/`..` components, no slash at either end), with all that moby/patternmatcher makes of it: a pattern must be one of
 * `filepath.Match`, and is then a plain text, a prefix, a suffix or a regular expression of Go's. `undefined` when its syntax is wrong.
 */
export function compileIgnorePattern(pattern: string): IgnorePattern | undefined {
  const automaton = compileAutomaton(pattern);
  const common = automaton === undefined ? undefined : compileCommonPattern(pattern);
  if (automaton === undefined || common === undefined) return automaton;
  // where Go's `.` stops at a line's end
  return { ...automaton, matches: (path) => (path.includes("\n") ? automaton.matches(path) : common(path)) };
}

/** The same, of any pattern. */
export function compileAutomaton(pattern: string): IgnorePattern | undefined {
  if (!isGlob(pattern)) return undefined;
  const { form, expression } = translate(pattern);
  if (form === "text") return createAutomaton(literals(pattern));
  if (form === "prefix") return createAutomaton([...literals(pattern.slice(0, -2)), EVERYTHING]);
  if (form === "suffix") return suffixPattern(pattern.slice(2));
  const alternatives = parseGoRegexp(expression);
  if (alternatives === undefined) return undefined;
  // the expression is `^…$`: only its ends are anchored
  const last = alternatives.length - 1;
  const automata = alternatives.map((elements, at) => createAutomaton([...(at === 0 ? [] : [EVERYTHING]), ...elements, ...(at === last ? [] : [EVERYTHING])]));
  const [only] = automata;
  if (only !== undefined && last === 0) return only;
  return {
    matches: (path) => automata.some((one) => one.matches(path)),
    mayMatchBelow: (directory) => automata.some((one) => one.mayMatchBelow(directory)),
  };
}

type Form = "text" | "prefix" | "suffix" | "expression";

function translate(pattern: string): { readonly form: Form; readonly expression: string } {
  const chars = Array.from(pattern);
  let form: Form = "text";
  let expression = "^";
  for (let at = 0, first = true; at < chars.length; at++, first = false) {
    const char = chars[at] ?? "";
    if (char === "*" && chars[at + 1] === "*") {
      at += chars[at + 2] === "/" ? 2 : 1;
      const last = at === chars.length - 1;
      expression += last ? ".*" : DIRECTORIES;
      form = first ? "suffix" : last && form === "text" ? "prefix" : "expression";
    } else if (char === "*" || char === "?") {
      expression += char === "*" ? `${NO_SLASH}*` : NO_SLASH;
      form = "expression";
    } else if (ESCAPED.has(char)) expression += `\\${char}`;
    else if (char === "\\") {
      expression += `\\${chars[++at] ?? ""}`;
      form = "expression";
    } else {
      expression += char;
      if (char === "[" || char === "]") form = "expression";
    }
  }
  return { form, expression };
}

/** What follows a `**` at the start: `/name` is `name` at the top too. */
function suffixPattern(suffix: string): IgnorePattern {
  const anywhere = createAutomaton([EVERYTHING, ...literals(suffix)]);
  const top = suffix.startsWith("/") ? suffix.slice(1) : undefined;
  return { matches: (path) => path.endsWith(suffix) || path === top, mayMatchBelow: (directory) => anywhere.mayMatchBelow(directory) };
}

function literals(text: string): PatternElement[] {
  return Array.from(text, (char) => literal(char.codePointAt(0) ?? 0));
}
