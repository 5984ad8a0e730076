import { skipSpace } from "./white-space.ts";

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
 * Reads a line (leading blanks dropped) as a directive; `undefined` for anything else, which ends the directive block.
 * Keys are case-insensitive, values are not; an unknown key is an ordinary comment.
 */
export function matchDirective(line: string): DirectiveMatch | undefined {
  if (!line.startsWith("#")) return undefined;
  const body = line.slice(skipSpace(line, 1));
  const key = KEY.exec(body);
  if (key?.[1] === undefined) return undefined;
  const name = key[1].toLowerCase();
  const value = body.slice(key[0].length).trim();
  return KNOWN.has(name) && value !== "" ? { name, value } : undefined;
}
