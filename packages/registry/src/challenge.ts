/** One challenge of a WWW-Authenticate header (RFC 9110, section 11.6.1). */
export interface Challenge {
  /** Lower case: `bearer`, `basic`. */
  readonly scheme: string;
  /** Names in lower case. */
  readonly parameters: ReadonlyMap<string, string>;
}

const TOKEN = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/y;
const TOKEN68 = /[A-Za-z0-9\-._~+/]+=*(?=\s*(?:,|$))/y;
/** More than a token: some servers leave the quotes off a URL. */
const BARE = /[^\s,"]+/y;
const QUOTED = /"((?:[^"\\]|\\[^])*)"/y;
const GAP = /[\s,]*/y;
const SPACE = /\s*/y;
const EQUALS = /\s*=\s*/y;

/** Parses one or several headers joined by commas. What cannot be read ends the list: earlier challenges stay usable. */
export function parseChallenges(header: string): readonly Challenge[] {
  const challenges: { scheme: string; parameters: Map<string, string> }[] = [];
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const found = pattern.exec(header);
    if (found !== null) at = pattern.lastIndex;
    return found;
  };
  while (at < header.length) {
    take(GAP);
    const word = take(TOKEN)?.[0];
    if (word === undefined) break;
    const current = challenges.at(-1);
    if (current !== undefined && take(EQUALS) !== null) {
      const quoted = take(QUOTED)?.[1];
      const value = quoted === undefined ? take(BARE)?.[0] : quoted.replaceAll(/\\([^])/g, "$1");
      if (value === undefined) break;
      current.parameters.set(word.toLowerCase(), value);
      continue;
    }
    challenges.push({ scheme: word.toLowerCase(), parameters: new Map() });
    take(SPACE);
    // `Negotiate abc==`: one opaque value in place of parameters
    if (!/^[^\s,=]+\s*=\s*[^\s,=]/.test(header.slice(at, at + 256))) take(TOKEN68);
  }
  return challenges;
}
