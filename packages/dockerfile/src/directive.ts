import { skipSpace } from "./white-space.ts";

const BYTE_ORDER_MARK = "\ufeff";

/** A parser directive as found on one line: `# key=value`. */
export interface DirectiveMatch {
  /** Lower case. */
  readonly name: string;
  readonly value: string;
}

const KNOWN = new Set(["syntax", "escape", "check"]);
// possessive by construction: the parts cannot match the same characters, so it is linear
const KEY = /^([A-Za-z][A-Za-z0-9]*)[\t\n\f\r ]*=/;

/** Where BuildKit's own frontend comes from, in whatever registry it is mirrored. */
const OWN_FRONTEND = /^(?:\S*\/)?docker\/dockerfile(?:-upstream)?(?:[:@]\S*)?$/;

/** Whether a `syntax` directive names another language than the one that is parsed here: what follows a blank is a remark. */
export function isForeignFrontend(value: string): boolean {
  return !OWN_FRONTEND.test(value.split(" ", 1)[0] ?? "");
}

/**
 * Reads a line (leading blanks dropped) as a directive behind `comment`; `undefined` for anything else, which ends the directive block.
 * Keys are case-insensitive, values are not; an unknown key is an ordinary comment.
 */
export function matchDirective(line: string, comment = "#"): DirectiveMatch | undefined {
  if (!line.startsWith(comment)) return undefined;
  const body = line.slice(skipSpace(line, comment.length));
  const key = KEY.exec(body);
  if (key?.[1] === undefined) return undefined;
  const name = key[1].toLowerCase();
  const value = body.slice(key[0].length).trim();
  return KNOWN.has(name) && value !== "" ? { name, value } : undefined;
}

/** A directive's value and where its line stands in the text; `end` is exclusive. */
export interface DirectivePlace {
  readonly value: string;
  readonly start: number;
  readonly end: number;
}

/**
 * The value of `check` or `syntax` as BuildKit looks for it before it parses: a first line `#!…` is passed over, and a blank in front of a directive, a second
 * one of its name or anything else ends the search. (`escape` is the parser's own: for it blanks are nothing and `#!` is a comment.)
 */
export function findDirective(text: string, name: "check" | "syntax", comment: "#" | "//" = "#"): DirectivePlace | undefined {
  const seen = new Set<string>();
  for (let start = afterShebang(text); start < text.length;) {
    const newline = text.indexOf("\n", start);
    const end = newline === -1 ? text.length : newline;
    const line = text.slice(start, end);
    const match = matchDirective(line, comment);
    if (match === undefined || seen.has(match.name)) return undefined;
    if (match.name === name) return { value: match.value, start, end: start + line.trimEnd().length };
    seen.add(match.name);
    start = end + 1;
  }
  return undefined;
}

/** Offset behind a byte order mark and a first line that starts with `#!`. */
export function afterShebang(text: string): number {
  const start = text.startsWith(BYTE_ORDER_MARK) ? 1 : 0;
  if (!text.startsWith("#!", start)) return start;
  const newline = text.indexOf("\n", start);
  return newline === -1 ? text.length : newline + 1;
}
