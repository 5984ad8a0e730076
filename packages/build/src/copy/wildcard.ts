import { Minimatch } from "minimatch";
import { type BytePath, bytePathToBytes } from "@varve/bytes";

/** Whether a path component has a character that Go's `filepath.Match` gives a meaning, unescaped. */
export function hasWildcard(component: string): boolean {
  for (let i = 0; i < component.length; i++) {
    const c = component[i];
    if (c === "\\") i++;
    else if (c === "*" || c === "?" || c === "[") return true;
  }
  return false;
}

/** Tells whether a name matches. */
export type NameMatcher = (name: BytePath) => boolean;

const decoder = new TextDecoder();
/** What minimatch takes, with each character escaped; no name is near as long. */
const LIMIT = 16 * 1024;

/**
 * One path component of Go's `filepath.Match` as a matcher: `*`, `?`, `[a-z]`, `[^a]`, backslash escapes, and nothing else (no
 * braces, no extglobs, no dot rule). A malformed pattern matches nothing, as in BuildKit.
 */
export function nameMatcher(pattern: string): NameMatcher {
  const translated = toMinimatch(pattern);
  if (translated === undefined) return () => false;
  const matcher = new Minimatch(translated, {
    dot: true,
    nobrace: true,
    nocomment: true,
    noext: true,
    noglobstar: true,
    nonegate: true,
    platform: "linux",
  });
  // names are bytes, patterns are characters: `?` takes a whole UTF-8 character
  return (name) => matcher.match(decoder.decode(bytePathToBytes(name)));
}

function toMinimatch(pattern: string): string | undefined {
  if (pattern.length > LIMIT) return undefined;
  let out = "";
  let star = false;
  for (let i = 0; i < pattern.length; i++) {
    const c = pattern[i] ?? "";
    // a run of stars means what one does, and costs a backtracking matcher less
    if (c === "*" && star) continue;
    star = c === "*";
    if (c === "\\") {
      const next = pattern[++i];
      if (next === undefined) return undefined;
      out += `\\${next}`;
    } else if (c === "[") {
      const parsed = toClass(pattern, i + 1);
      if (parsed === undefined) return undefined;
      out += parsed.text;
      i = parsed.end;
    } else out += c;
  }
  return out;
}

/** `end` is the index of the closing bracket. */
function toClass(pattern: string, start: number): { readonly text: string; readonly end: number } | undefined {
  let i = start;
  const negated = pattern[i] === "^";
  if (negated) i++;
  let text = "";
  for (let ranges = 0; ; ranges++) {
    if (pattern[i] === "]" && ranges > 0) {
      if (text === "") return negated ? { text: "?", end: i } : undefined;
      return { text: `[${negated ? "^" : ""}${text}]`, end: i };
    }
    const low = classCharacter(pattern, i);
    if (low === undefined) return undefined;
    i = low.next;
    let high = low;
    if (pattern[i] === "-") {
      const found = classCharacter(pattern, i + 1);
      if (found === undefined) return undefined;
      high = found;
      i = found.next;
    }
    // an empty range is legal in Go and matches nothing; minimatch would refuse the whole class
    if (low.character <= high.character) text += low === high ? `\\${low.character}` : `\\${low.character}-\\${high.character}`;
  }
}

function classCharacter(pattern: string, at: number): { readonly character: string; readonly next: number } | undefined {
  const c = pattern[at];
  if (c === undefined || c === "-" || c === "]") return undefined;
  if (c !== "\\") return { character: c, next: at + 1 };
  const escaped = pattern[at + 1];
  return escaped === undefined ? undefined : { character: escaped, next: at + 2 };
}
