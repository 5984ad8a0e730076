import { type CharacterTest, createAutomaton, literal, NO_SLASH, type PathAutomaton, type PatternElement } from "./path-automaton.ts";

/** Longest pattern, in UTF-16 units. */
const LIMIT = 32 * 1024;

/**
 * A pattern of Go's `filepath.Match`: `*` and `?` (neither takes a slash), `[a-z]` and `[^a]` (which may take one), backslash escapes, and nothing else.
 * `undefined` when its syntax is wrong, or when it is longer than 32 KiB.
 */
export function compileGlob(pattern: string): PathAutomaton | undefined {
  const elements = globElements(pattern);
  return elements === undefined ? undefined : createAutomaton(elements);
}

/** Whether `filepath.Match` takes a pattern, and it is not too long. */
export function isGlob(pattern: string): boolean {
  return globElements(pattern) !== undefined;
}

function globElements(pattern: string): PatternElement[] | undefined {
  if (pattern.length > LIMIT) return undefined;
  const codes = Array.from(pattern, (char) => char.codePointAt(0) ?? 0);
  const elements: PatternElement[] = [];
  for (let at = 0; at < codes.length; at++) {
    const code = codes[at] ?? 0;
    if (code === STAR) {
      // a run of stars means what one does
      if (elements.at(-1)?.kind !== "many") elements.push({ kind: "many", test: NO_SLASH });
    } else if (code === QUESTION) elements.push({ kind: "one", test: NO_SLASH });
    else if (code === OPEN) {
      const found = readClass(codes, at + 1);
      if (found === undefined) return undefined;
      elements.push({ kind: "one", test: found.test });
      at = found.end;
    } else {
      const char = code === BACKSLASH ? codes[++at] : code;
      if (char === undefined) return undefined;
      elements.push(literal(char));
    }
  }
  return elements;
}

const STAR = 0x2a;
const QUESTION = 0x3f;
const OPEN = 0x5b;
const CLOSE = 0x5d;
const BACKSLASH = 0x5c;
const CARET = 0x5e;
const DASH = 0x2d;

/** The class that begins at `start`, after its bracket; `end` is where it closes. */
function readClass(codes: readonly number[], start: number): { readonly test: CharacterTest; readonly end: number } | undefined {
  const negated = codes[start] === CARET;
  const ranges: (readonly [low: number, high: number])[] = [];
  for (let at = negated ? start + 1 : start; ;) {
    if (codes[at] === CLOSE && ranges.length > 0) return { test: (code) => ranges.some(([low, high]) => low <= code && code <= high) !== negated, end: at };
    const low = readBound(codes, at);
    if (low === undefined) return undefined;
    at = low.next;
    const high = codes[at] === DASH ? readBound(codes, at + 1) : low;
    if (high === undefined) return undefined;
    at = high.next;
    ranges.push([low.code, high.code]);
  }
}

function readBound(codes: readonly number[], at: number): { readonly code: number; readonly next: number } | undefined {
  const first = codes[at];
  if (first === undefined || first === DASH || first === CLOSE) return undefined;
  const place = first === BACKSLASH ? at + 1 : at;
  const code = codes[place];
  // something must follow, if only the bracket
  return code === undefined || place + 1 >= codes.length ? undefined : { code, next: place + 1 };
}

/** Whether a path has a character that Go's `filepath.Match` gives a meaning, unescaped. */
export function hasWildcard(path: string): boolean {
  for (let at = 0; at < path.length; at++) {
    const char = path[at];
    if (char === "\\") at++;
    else if (char === "*" || char === "?" || char === "[") return true;
  }
  return false;
}
