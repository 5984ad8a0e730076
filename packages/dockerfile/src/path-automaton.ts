/** A set of characters, by code point. */
export type CharacterTest = (code: number) => boolean;

/** One element of a pattern over paths. */
export type PatternElement =
  | { readonly kind: "one"; readonly test: CharacterTest; /** Set when only this one character passes. */ readonly code?: number }
  /** Any number of characters that pass. */
  | { readonly kind: "many"; readonly test: CharacterTest }
  /** Nothing, or anything that ends with a slash. */
  | { readonly kind: "directories" }
  /** Passes at the start of the text only. */
  | { readonly kind: "start" };

/** A pattern of paths, ready to be asked. */
export interface PathAutomaton {
  /** Whether the whole path matches. */
  matches(path: string): boolean;
  /** Whether something below this directory may match. */
  mayMatchBelow(directory: string): boolean;
}

const SLASH = 0x2f;
const NEWLINE = 0x0a;

/** An element that is one character. */
export function literal(code: number): PatternElement {
  return { kind: "one", test: (other) => other === code, code };
}

/** What a star or a question mark of a path pattern takes. */
export const NO_SLASH: CharacterTest = (code) => code !== SLASH;

type State = Exclude<PatternElement, { kind: "directories" }> | { readonly kind: "open" } | { readonly kind: "inside" };

/**
 * Compiles elements. Matching runs them all at once, as a set of places in the pattern, so that its time is at most path × pattern whatever the
 * pattern: patterns come from build contexts.
 */
export function createAutomaton(elements: readonly PatternElement[]): PathAutomaton {
  const states = elements.flatMap((element): State[] => (element.kind === "directories" ? [{ kind: "open" }, { kind: "inside" }] : [element]));
  const head = literalText(elements);
  const tail = literalText(elements.toReversed()).split("").toReversed().join("");
  let now = new Uint8Array(states.length + 1);
  let next = new Uint8Array(states.length + 1);

  /** Gives the places reached at the end of a text; `undefined` when there are none. */
  const run = (text: string): Uint8Array | undefined => {
    now.fill(0);
    now[0] = 1;
    enter(states, now, true);
    for (let at = 0; at < text.length;) {
      const code = text.codePointAt(at) ?? 0;
      at += code > 0xffff ? 2 : 1;
      if (!advance(states, now, next, code)) return undefined;
      enter(states, next, false);
      [now, next] = [next, now];
    }
    return now;
  };
  return {
    matches: (path) => path.startsWith(head) && path.endsWith(tail) && run(path)?.[states.length] === 1,
    mayMatchBelow: (directory) => run(`${directory}/`) !== undefined,
  };
}

/** The plain characters elements begin with; none outside of the first plane, so that it can be turned around. */
function literalText(elements: readonly PatternElement[]): string {
  const end = elements.findIndex((element) => element.kind !== "one" || element.code === undefined || element.code > 0xffff);
  return elements
    .slice(0, end < 0 ? elements.length : end)
    .map((element) => String.fromCharCode(element.kind === "one" ? (element.code ?? 0) : 0))
    .join("");
}

/** Adds the places that are reached without a character; such steps only go forward. */
function enter(states: readonly State[], places: Uint8Array, atStart: boolean): void {
  for (const [at, state] of states.entries()) {
    if (places[at] !== 1) continue;
    if (state.kind === "many" || (state.kind === "start" && atStart)) places[at + 1] = 1;
    else if (state.kind === "open") {
      places[at + 1] = 1;
      places[at + 2] = 1;
    }
  }
}

/** The places after one more character; false when there are none. */
function advance(states: readonly State[], from: Uint8Array, to: Uint8Array, code: number): boolean {
  to.fill(0);
  let alive = false;
  for (const [at, state] of states.entries()) {
    if (from[at] !== 1) continue;
    if (state.kind === "one" && state.test(code)) {
      to[at + 1] = 1;
      alive = true;
    } else if (state.kind === "many" && state.test(code)) {
      to[at] = 1;
      alive = true;
    } else if (state.kind === "inside" && code !== NEWLINE) {
      to[at] = 1;
      if (code === SLASH) to[at + 1] = 1;
      alive = true;
    }
  }
  return alive;
}
