import { VarveError } from "@varve/errors";

/** One element of a pattern. */
type Element = { readonly kind: "char"; readonly char: string } | { readonly kind: "any" } | { readonly kind: "star" };

/** A pattern of `${x#…}`, `${x%…}` and `${x/…/…}`: `*` and `?` (neither matches a newline) and literals; `[ ]` is literal. */
export type ShellPattern = readonly Element[];

/** Steps one match may take, so that a hostile pattern ends in an error and not in minutes: about a second's work. */
const STEP_LIMIT = 50_000_000;

/** Parses a pattern. `\*`, `\?` and `\\` are literals, `\}` and `\/` lose the backslash; other escapes throw DOCKERFILE_EXPANSION. */
export function parseShellPattern(text: string): ShellPattern {
  const chars = Array.from(text);
  const pattern: Element[] = [];
  for (let at = 0; at < chars.length; at++) {
    const char = chars[at] ?? "";
    if (char === "*") pattern.push({ kind: "star" });
    else if (char === "?") pattern.push({ kind: "any" });
    else if (char !== "\\") pattern.push({ kind: "char", char });
    else {
      const next = chars[++at];
      if (next === undefined || !"*?\\}/".includes(next)) {
        throw new VarveError("DOCKERFILE_EXPANSION", `invalid pattern ${text}: ${next === undefined ? "it ends in a backslash" : `\\${next} is no escape`}`, {
          hint: "a backslash may stand before * ? \\ / and }",
        });
      }
      pattern.push({ kind: "char", char: next });
    }
  }
  return pattern;
}

/** A pattern's text backwards, escapes staying in front of what they escape. A backslash at the end comes to escape what stood before it, as in BuildKit. */
export function reversePattern(text: string): string {
  return (text.match(/\\[^]|[^]/gu) ?? []).toReversed().join("");
}

/** How much of the start of `value` (code points) the pattern matches: as little or as much as possible; `undefined` for no match. */
export function matchPrefix(pattern: ShellPattern, value: readonly string[], greedy: boolean): number | undefined {
  return search(pattern, value, { from: 0, greedy, anchored: true })?.end;
}

/** The leftmost match at or after `from`, as long as possible; positions count code points. */
export function findMatch(pattern: ShellPattern, value: readonly string[], from: number): { readonly start: number; readonly end: number } | undefined {
  return search(pattern, value, { from, greedy: true, anchored: false });
}

/**
 * Runs the pattern as an automaton: `starts[i]` is the earliest start of a match that has reached element i, or -1. Work
 * is bounded by |value| × |pattern|, without backtracking.
 */
function search(
  pattern: ShellPattern,
  value: readonly string[],
  options: { readonly from: number; readonly greedy: boolean; readonly anchored: boolean },
): { readonly start: number; readonly end: number } | undefined {
  const { from, greedy, anchored } = options;
  if ((value.length - from) * (pattern.length + 1) > STEP_LIMIT) {
    throw new VarveError("DOCKERFILE_EXPANSION", `a pattern of ${pattern.length} elements on a value of ${value.length} characters is too much work`);
  }
  let starts = new Int32Array(pattern.length + 1).fill(-1);
  let best: { readonly start: number; readonly end: number } | undefined;
  for (let at = from; at <= value.length; at++) {
    if (best === undefined && (!anchored || at === from)) enter(starts, 0, at);
    // a star also matches nothing
    for (let i = 0; i < pattern.length; i++) {
      const start = starts[i] ?? -1;
      if (start !== -1 && pattern[i]?.kind === "star") enter(starts, i + 1, start);
    }
    const accepted = starts[pattern.length] ?? -1;
    if (accepted !== -1 && (best === undefined || accepted <= best.start)) best = { start: accepted, end: at };
    if (best !== undefined && !greedy) return best;
    const char = value[at];
    if (char === undefined) break;
    const next = new Int32Array(pattern.length + 1).fill(-1);
    let alive = false;
    for (let i = 0; i < pattern.length; i++) {
      const start = starts[i] ?? -1;
      if (start === -1 || (best !== undefined && start > best.start)) continue;
      const element = pattern[i];
      if (element?.kind === "star" ? char === "\n" : element?.kind === "any" ? char === "\n" : element?.char !== char) continue;
      enter(next, element?.kind === "star" ? i : i + 1, start);
      alive = true;
    }
    starts = next;
    if (!alive && (anchored || best !== undefined)) break;
  }
  return best;
}

function enter(starts: Int32Array, element: number, start: number): void {
  const before = starts[element] ?? -1;
  if (before === -1 || start < before) starts[element] = start;
}
