import { type CharacterTest, literal, type PatternElement } from "./path-automaton.ts";

const NAMED: ReadonlyMap<string, CharacterTest> = new Map(
  Object.entries({
    alnum: /[0-9A-Za-z]/,
    alpha: /[A-Za-z]/,
    // oxlint-disable-next-line no-control-regex -- it is what the class holds
    ascii: /[\x00-\x7f]/,
    blank: /[\t ]/,
    // oxlint-disable-next-line no-control-regex -- it is what the class holds
    cntrl: /[\x00-\x1f\x7f]/,
    digit: /[0-9]/,
    graph: /[!-~]/,
    lower: /[a-z]/,
    print: /[ -~]/,
    punct: /[!-/:-@[-`{-~]/,
    space: /[\t\n\v\f\r ]/,
    upper: /[A-Z]/,
    word: /[0-9A-Za-z_]/,
    xdigit: /[0-9A-Fa-f]/,
  }).map(([name, expression]): [string, CharacterTest] => [name, (code) => expression.test(String.fromCodePoint(code))]),
);
/** What `\d` and its like stand for. */
const PERL: ReadonlyMap<string, string> = new Map([
  ["d", "digit"],
  ["s", "space"],
  ["w", "word"],
]);
const CONTROL: ReadonlyMap<string, string> = new Map([
  ["a", "\x07"],
  ["f", "\f"],
  ["n", "\n"],
  ["r", "\r"],
  ["t", "\t"],
  ["v", "\v"],
]);

interface Read<T> {
  readonly value: T;
  readonly next: number;
}

/**
 * The alternatives of a regular expression of Go's `regexp`, as far as moby/patternmatcher writes them: literals, escapes, classes, a star after a class or a
 * dot, `^`, `|`, and {@link DIRECTORIES}. `undefined` when it is none.
 */
export function parseGoRegexp(expression: string): readonly (readonly PatternElement[])[] | undefined {
  const chars = Array.from(expression);
  let elements: PatternElement[] = [];
  const alternatives = [elements];
  for (let at = 0; at < chars.length;) {
    if (chars[at] === "|") {
      elements = [];
      alternatives.push(elements);
      at++;
      continue;
    }
    if (chars[at] === "(") {
      elements.push({ kind: "directories" });
      at += DIRECTORIES.length;
      continue;
    }
    if (chars[at] === "^") {
      elements.push({ kind: "start" });
      at++;
      continue;
    }
    const atom = readAtom(chars, at);
    if (atom === undefined) return undefined;
    at = atom.next;
    if (chars[at] !== "*") elements.push(atom.value);
    else if (atom.value.kind === "one") {
      elements.push({ kind: "many", test: atom.value.test });
      at++;
    }
  }
  return alternatives;
}

/** What stands for `**` and a slash: any directories, or none. */
export const DIRECTORIES = "(.*/)?";

function readAtom(chars: readonly string[], at: number): Read<PatternElement> | undefined {
  const char = chars[at] ?? "";
  if (char === "[") return readClass(chars, at + 1);
  if (char === ".") return { value: { kind: "one", test: (code) => code !== 0x0a }, next: at + 1 };
  if (char !== "\\") return { value: literal(char.codePointAt(0) ?? 0), next: at + 1 };
  const escape = readEscape(chars, at);
  if (escape === undefined) return undefined;
  const { value, next } = escape;
  return { value: typeof value === "number" ? literal(value) : { kind: "one", test: value }, next };
}

function readClass(chars: readonly string[], start: number): Read<PatternElement> | undefined {
  const negated = chars[start] === "^";
  const tests: CharacterTest[] = [];
  for (let at = negated ? start + 1 : start; ;) {
    if (chars[at] === undefined) return undefined;
    if (chars[at] === "]" && tests.length > 0) return { value: { kind: "one", test: (code) => tests.some((test) => test(code)) !== negated }, next: at + 1 };
    const item = readNamed(chars, at) ?? readRange(chars, at);
    if (item === undefined) return undefined;
    tests.push(item.value);
    at = item.next;
  }
}

/** `[:alpha:]` within a class. */
function readNamed(chars: readonly string[], at: number): Read<CharacterTest> | undefined {
  const [whole = "", not, name = ""] = /^\[:(\^?)([a-z]+):\]/.exec(chars.slice(at, at + 16).join("")) ?? [];
  const test = NAMED.get(name);
  return test === undefined ? undefined : { value: not === "^" ? (code) => !test(code) : test, next: at + whole.length };
}

function readRange(chars: readonly string[], at: number): Read<CharacterTest> | undefined {
  const low = readBound(chars, at);
  if (low === undefined) return undefined;
  const { value } = low;
  if (typeof value !== "number") return { value, next: low.next };
  if (chars[low.next] !== "-" || chars[low.next + 1] === "]") return { value: (code) => code === value, next: low.next };
  const high = readBound(chars, low.next + 1);
  if (high === undefined || typeof high.value !== "number" || high.value < value) return undefined;
  const last = high.value;
  return { value: (code) => value <= code && code <= last, next: high.next };
}

function readBound(chars: readonly string[], at: number): Read<number | CharacterTest> | undefined {
  const char = chars[at];
  if (char === "\\") return readEscape(chars, at);
  return char === undefined ? undefined : { value: char.codePointAt(0) ?? 0, next: at + 1 };
}

/** A character, or a class like `\d`. Letters and digits that mean neither are no escapes here. */
function readEscape(chars: readonly string[], at: number): Read<number | CharacterTest> | undefined {
  const char = chars[at + 1];
  if (char === undefined) return undefined;
  const next = at + 2;
  const named = NAMED.get(PERL.get(char.toLowerCase()) ?? "");
  if (named !== undefined) return { value: char === char.toLowerCase() ? named : (code) => !named(code), next };
  const control = CONTROL.get(char);
  if (control !== undefined) return { value: control.charCodeAt(0), next };
  return /^[!-/:-@[-`{-~ ]$/.test(char) ? { value: char.charCodeAt(0), next } : undefined;
}
