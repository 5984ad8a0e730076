import { VarveError } from "@varve/errors";
import { compileIgnorePattern, type IgnorePattern } from "./ignore-pattern.ts";

/** A line of an ignore file. */
export interface IgnoreRule {
  /** As written, trimmed. */
  readonly text: string;
  /** From 1. */
  readonly line: number;
  /** `!`: brings back what it matches. */
  readonly negated: boolean;
}

/**
 * Which paths an ignore file leaves out. Paths are relative to the context, clean, without a leading slash, one
 * character a byte (latin1), as names inside trees are; they are read as UTF-8.
 */
export interface IgnoreMatcher {
  /** Whether `path` is left out. Asking for a directory's entries after the directory is cheap. */
  matches(path: string): boolean;
  /** Whether something below a directory may be in; false means it needn't be listed. */
  mayDescend(directory: string): boolean;
  /**
   * Whether nothing that COPY would take as `source` is in the context: the path is left out, and no rule brings back it or anything below it. `source` is
   * clean, `""` for the whole context; with wildcards, no rule may bring back anything below the directory in front of the first one.
   */
  leavesNothingOf(source: string): boolean;
  /** What is matched, in order: patterns without `!`, clean. */
  readonly patterns: readonly { readonly text: string; readonly negated: boolean }[];
  /** The last rule that applies to `path`, directly or to a directory above it. */
  decidedBy(path: string): IgnoreRule | undefined;
}

/** Where an ignore file's errors say it is. */
export interface IgnoreOptions {
  /** `.dockerignore` by default. */
  readonly file?: string | undefined;
}

/** Largest ignore file, in UTF-16 units. */
const LIMIT = 4 * 1024 * 1024;
const PATTERN_HINT = "brackets need a ] and at least one character; a pattern cannot end in a backslash, nor be longer than 32 KiB";

interface CompiledRule extends IgnoreRule {
  readonly cleaned: string;
  readonly pattern: IgnorePattern;
}

/** Patterns that leave out all there is. */
const EVERYTHING = new Set(["*", "**", "**/*"]);

/** What is known of a path: by rule, whether it applies, and which one decided. */
interface Verdict {
  readonly applies: readonly boolean[];
  readonly last: number;
  readonly ignored: boolean;
}

/**
 * Parses an ignore file, by Docker's rules: the last rule that matches a path or a directory above it decides. Throws
 * DOCKERFILE_IGNORE_PATTERN, with the line in `source`, and DOCKERFILE_TOO_LARGE.
 */
export function parseIgnore(text: string, options: IgnoreOptions = {}): IgnoreMatcher {
  return createMatcher(parseRules(text, options.file ?? ".dockerignore"));
}

/**
 * The patterns of `--exclude` and `--parents` (moby/patternmatcher): as lines of an ignore file, but that a `#` begins no comment and a
 * leading slash stays, so that such a pattern matches nothing. Throws DOCKERFILE_IGNORE_PATTERN.
 */
export function parsePatterns(patterns: readonly string[]): IgnoreMatcher {
  return createMatcher(
    patterns.flatMap((text, index): CompiledRule[] => {
      const trimmed = text.trim();
      // cleaned before the `!` is looked for
      const whole = trimmed.startsWith("/") ? undefined : cleanPattern(trimmed);
      const negated = whole?.startsWith("!") === true;
      const cleaned = negated ? whole?.slice(1) : whole;
      if (cleaned === "") throw new VarveError("DOCKERFILE_IGNORE_PATTERN", `invalid pattern ${shownPattern(trimmed)}`, { hint: PATTERN_HINT });
      if (cleaned === undefined || cleaned.startsWith("/")) return [];
      const pattern = compileIgnorePattern(cleaned);
      if (pattern === undefined) throw new VarveError("DOCKERFILE_IGNORE_PATTERN", `invalid pattern ${shownPattern(trimmed)}`, { hint: PATTERN_HINT });
      return [{ text: trimmed, line: index + 1, negated, cleaned, pattern }];
    }),
  );
}

function createMatcher(rules: readonly CompiledRule[]): IgnoreMatcher {
  const negated = rules.filter((rule) => rule.negated);
  const root: Verdict = { applies: rules.map(() => false), last: -1, ignored: false };
  // the verdicts of the directories above the path asked for last: a walk asks for neighbours
  let chain: { readonly path: string; readonly verdict: Verdict }[] = [];

  const judge = (path: string): Verdict => {
    while (chain.length > 0 && !path.startsWith(`${chain.at(-1)?.path}/`)) chain.pop();
    let verdict = chain.at(-1)?.verdict ?? root;
    for (let from = chain.at(-1)?.path.length ?? -1; ;) {
      const slash = path.indexOf("/", from + 1);
      const part = slash === -1 ? path : path.slice(0, slash);
      verdict = judgeOne(rules, decodePath(part), verdict);
      if (slash === -1) return verdict;
      chain.push({ path: part, verdict });
      from = slash;
    }
  };
  const mayBringBackBelow = (directory: string): boolean => negated.some((rule) => rule.pattern.mayMatchBelow(decodePath(directory)));
  return {
    patterns: rules.map((rule) => ({ text: rule.cleaned, negated: rule.negated })),
    matches: (path) => judge(path).ignored,
    mayDescend: (directory) => !judge(directory).ignored || mayBringBackBelow(directory),
    leavesNothingOf(source) {
      // the context itself has no name a pattern could match
      if (source === "") return negated.length === 0 && rules.some((rule) => EVERYTHING.has(rule.text));
      const wildcard = source.search(/[*?[]/);
      const above = wildcard === -1 ? source : source.slice(0, Math.max(0, source.lastIndexOf("/", wildcard)));
      return judge(source).ignored && (above === "" ? negated.length === 0 : !mayBringBackBelow(above));
    },
    decidedBy(path) {
      const rule = rules[judge(path).last];
      return rule === undefined ? undefined : { text: rule.text, line: rule.line, negated: rule.negated };
    },
  };
}

/**
 * As Docker's matcher: a rule that applied to the parent applies here; one that would not change the outcome isn't
 * looked at, and so isn't known to apply further down either.
 */
function judgeOne(rules: readonly CompiledRule[], path: string, parent: Verdict): Verdict {
  const applies: boolean[] = [];
  let ignored = false;
  let last = -1;
  for (const [i, rule] of rules.entries()) {
    const inherited = parent.applies[i] ?? false;
    const applied = inherited || (rule.negated === ignored && rule.pattern.matches(path));
    applies.push(applied);
    if (!applied) continue;
    ignored = !rule.negated;
    last = i;
  }
  return { applies, last, ignored };
}

function parseRules(text: string, file: string): CompiledRule[] {
  if (text.length > LIMIT) throw new VarveError("DOCKERFILE_TOO_LARGE", `${file} is larger than ${LIMIT / 1024 / 1024} MiB`);
  const rules: CompiledRule[] = [];
  let offset = 0;
  for (const [index, line] of text.split("\n").entries()) {
    const start = offset;
    offset += line.length + 1;
    // a byte order mark is dropped before the comment sign is looked for
    const content = index === 0 ? line.replace(/^\ufeff/, "") : line;
    if (content.startsWith("#")) continue;
    const written = content.trim();
    const negated = written.startsWith("!");
    const cleaned = cleanPattern(negated ? written.slice(1).trim() : written);
    if (cleaned === undefined && !isNothing(written)) continue;
    const pattern = cleaned === undefined ? undefined : compileIgnorePattern(cleaned);
    if (cleaned === undefined || pattern === undefined) {
      const column = line.indexOf(written) + 1;
      const position = { line: index + 1, column, offset: start + column - 1 };
      const end = { line: index + 1, column: column + written.length, offset: position.offset + written.length };
      throw new VarveError("DOCKERFILE_IGNORE_PATTERN", `invalid pattern ${shownPattern(written)}`, {
        source: { file, text, range: { start: position, end } },
        hint: PATTERN_HINT,
      });
    }
    rules.push({ text: written, line: index + 1, negated, cleaned, pattern });
  }
  return rules;
}

/** A `!` before nothing, or before the root. */
function isNothing(pattern: string): boolean {
  if (!pattern.startsWith("!")) return false;
  const rest = pattern.slice(1).trim();
  return (rest === "" || rest.startsWith("/")) && rest.split("/").every((part) => part === "" || part === ".");
}

function shownPattern(pattern: string): string {
  return JSON.stringify(pattern.slice(0, 200));
}

/** As Go's `filepath.Clean`, without a leading slash; `undefined` when nothing is left, which matches nothing. */
function cleanPattern(pattern: string): string | undefined {
  const kept: string[] = [];
  const rooted = pattern.startsWith("/");
  for (const part of pattern.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") kept.push(part);
    else if (kept.length > 0 && kept.at(-1) !== "..") kept.pop();
    else if (!rooted) kept.push(part);
  }
  return kept.length === 0 ? undefined : kept.join("/");
}

const UTF8 = new TextDecoder("utf-8", { ignoreBOM: true });

function decodePath(path: string): string {
  let ascii = true;
  for (let i = 0; i < path.length; i++) {
    const code = path.charCodeAt(i);
    if (code > 0xff) return path;
    if (code > 0x7f) ascii = false;
  }
  return ascii ? path : UTF8.decode(Uint8Array.from(path, (char) => char.charCodeAt(0)));
}
