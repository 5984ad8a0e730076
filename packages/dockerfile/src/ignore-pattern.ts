import { Minimatch } from "minimatch";

/** One pattern of an ignore file, compiled. Paths are relative, `/`-separated and clean. */
export interface IgnorePattern {
  /** Whether it matches this very path; parents are the caller's business. */
  matches(path: string): boolean;
  /** Whether it may match something below this directory. */
  mayMatchBelow(directory: string): boolean;
}

/** Go's `filepath.Match`, plus `**`: no braces, no extglobs, no comments, no negation, dots are ordinary, case counts. */
const OPTIONS = { dot: true, nobrace: true, noext: true, nocomment: true, nonegate: true, nocase: false, platform: "linux" } as const;

/** Compiles a clean pattern (no `.`/`..` components, no slash at either end). `undefined` when its syntax is wrong. */
export function compileIgnorePattern(pattern: string): IgnorePattern | undefined {
  if (!isValid(pattern)) return undefined;
  // no clean path has a component `.` or `..`, but minimatch would resolve them in the pattern (`.**.` has the form `..`)
  const texts = alternatives(pattern)
    .filter((form) => !/(^|\/)\.\.?(\/|$)/.test(form))
    .map(escapeClassBangs);
  const forms = texts.map((form) => new Minimatch(form, OPTIONS));
  const partial = texts.map((form) => new Minimatch(form, { ...OPTIONS, partial: true }));
  return {
    matches: (path) => forms.some((form) => form.match(path)),
    mayMatchBelow: (directory) => partial.some((form) => form.match(directory)),
  };
}

/** minimatch takes twice this; writing a pattern for it can double its length. */
const LIMIT = 32 * 1024;

/** What `filepath.Match` calls a bad pattern, and one that is too long: an unclosed or empty class, a range without an end, a trailing backslash. */
function isValid(pattern: string): boolean {
  if (pattern.length > LIMIT) return false;
  for (let at = 0; at < pattern.length; at++) {
    if (pattern[at] === "\\" && ++at === pattern.length) return false;
    if (pattern[at] !== "[" || pattern[at - 1] === "\\") continue;
    const close = classEnd(pattern, at);
    if (close === undefined) return false;
    at = close;
  }
  return true;
}

function classEnd(pattern: string, open: number): number | undefined {
  let at = open + 1;
  if (pattern[at] === "^") at++;
  for (let items = 0; ; items++) {
    if (pattern[at] === "]" && items > 0) return at;
    for (let bound = 0; bound < 2; bound++) {
      const char = pattern[at];
      if (char === undefined || char === "-" || char === "]" || char === "/") return undefined;
      at += char === "\\" ? 2 : 1;
      if (at >= pattern.length) return undefined;
      if (bound === 0 && pattern[at] !== "-") break;
      if (bound === 0) at++;
    }
  }
}

/** `[!a]` negates for minimatch; for Go `!` is a member of the class. */
function escapeClassBangs(pattern: string): string {
  return pattern.replaceAll("[!", "[\\!");
}

/**
 * `**` within a component, which minimatch takes for `*`. In Docker's matcher `**` is "anything up to a slash, or
 * nothing", and takes a slash that follows with it: `a**b` is `ab` or `a*` + any directories + `b`.
 */
function alternatives(pattern: string): string[] {
  const end = /^(.*[^*])\*\*$/s.exec(pattern);
  if (pattern === "**") return ["**"];
  if (end?.[1] !== undefined && !end[1].endsWith("/")) return splitInner(end[1]).flatMap((form) => [`${form}*`, `${form}*/**`]);
  return splitInner(pattern);
}

/** Most forms one pattern may turn into; a pattern with more inner `**` keeps the rest as minimatch reads them. */
const MOST_FORMS = 64;

function splitInner(pattern: string): string[] {
  if (/^\*\*[^*?[\]\\/]/.test(pattern) && !/[*?[\]\\]/.test(pattern.slice(2))) return [`**/*${pattern.slice(2)}`];
  let forms = [""];
  const parts = pattern.split(/\*\*\/?/);
  parts.forEach((part, i) => {
    if (i === 0) {
      forms = [part];
      return;
    }
    if (part === "" && i === parts.length - 1) {
      forms = forms.map((form) => `${form}**`);
      return;
    }
    forms = forms.flatMap((form) =>
      form === "" || form.endsWith("/")
        ? [`${form}**/${part}`]
        : forms.length >= MOST_FORMS
          ? [`${form}*/**/${part}`]
          : [`${form}${part}`, `${form}*/**/${part}`],
    );
  });
  return forms;
}
