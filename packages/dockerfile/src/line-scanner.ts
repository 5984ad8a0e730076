import type { Directive, Warning } from "./ast.ts";
import { type DirectiveMatch, matchDirective } from "./directive.ts";
import type { LogicalLine } from "./logical-line.ts";
import { sourceError, type Source } from "./syntax-error.ts";
import { skipSpace } from "./white-space.ts";

/** One physical line. */
interface PhysicalLine {
  /** Without its line ending. */
  readonly text: string;
  readonly offset: number;
  /** Of the character after the line ending. */
  readonly next: number;
}

/** The lines of a heredoc's body, line endings kept, and where they are. */
export interface HeredocBody {
  readonly content: string;
  readonly start: number;
  readonly end: number;
  /** End of the terminator line, its line ending left out. */
  readonly terminatorEnd: number;
}

/** Reads a Dockerfile's text line by line. Errors go to `report`; scanning goes on after each. */
export interface LineScanner {
  /** The escape character, once the directives have been passed. A method: an accessor would give every scanner a hidden class of its own, which keeps it alive. */
  escape(): "\\" | "`";
  readonly directives: readonly Directive[];
  readonly warnings: readonly Warning[];
  /** The next instruction's line; `undefined` at the end. */
  next(): LogicalLine | undefined;
  /** Takes the body of a heredoc from the lines that follow; `undefined`, and all lines taken, when `name` never comes. */
  heredoc(name: string, chomp: boolean): HeredocBody | undefined;
}

/** Where the parts of a line without continuations start. */
const ONE_PART: readonly number[] = [0];

/** Creates a {@link LineScanner} for `source`. */
export function createLineScanner(source: Source, report: (error: Error) => void): LineScanner {
  const text = source.lines.text;
  const state = { offset: text.charCodeAt(0) === 0xfeff ? 1 : 0, escape: "\\" as "\\" | "`", inDirectives: true };
  const directives: Directive[] = [];
  const warnings: Warning[] = [];

  const read = (): PhysicalLine | undefined => {
    if (state.offset >= text.length) return undefined;
    const line = physicalLine(text, state.offset);
    state.offset = line.next;
    return line;
  };

  const takeDirective = (line: PhysicalLine, start: number): void => {
    const match = matchDirective(line.text.slice(start));
    if (match === undefined) {
      state.inDirectives = false;
      return;
    }
    const range = source.lines.range(line.offset + start, line.offset + line.text.trimEnd().length);
    const problem = directiveProblem(match, directives);
    if (problem !== undefined) report(sourceError(source, "DOCKERFILE_DIRECTIVE", problem.message, { range, hint: problem.hint }));
    else if (match.name === "escape") state.escape = match.value as "\\" | "`";
    directives.push({ name: match.name, value: match.value, range });
  };

  const join = (first: PhysicalLine, start: number): LogicalLine => {
    let cut = continuation(first.text, start, state.escape);
    // most instructions are one line
    if (cut === undefined) return { text: first.text.slice(start), indexes: ONE_PART, offsets: [first.offset + start] };
    const parts: string[] = [];
    const indexes: number[] = [];
    const offsets: number[] = [];
    let length = 0;
    const add = (part: string, offset: number): void => {
      if (part === "" && indexes.length > 0) return;
      indexes.push(length);
      offsets.push(offset);
      parts.push(part);
      length += part.length;
    };
    add(first.text.slice(start, cut), first.offset + start);
    let blank = false;
    let last = first;
    while (cut !== undefined) {
      const line = read();
      if (line === undefined) break;
      const content = skipSpace(line.text, 0);
      if (line.text[content] === "#") continue;
      if (content === line.text.length) {
        blank = true;
        last = line;
        continue;
      }
      last = line;
      cut = continuation(line.text, 0, state.escape);
      add(line.text.slice(0, cut ?? line.text.length), line.offset);
    }
    if (blank) {
      // BuildKit points at the instruction's last line, not at the blank one
      warnings.push({
        rule: "NoEmptyContinuation",
        message: "Empty continuation line",
        range: source.lines.range(last.offset, last.offset + last.text.length),
      });
    }
    return { text: parts.join(""), indexes, offsets };
  };

  return {
    escape: () => state.escape,
    directives,
    warnings,
    next() {
      for (;;) {
        const line = read();
        if (line === undefined) return undefined;
        const start = skipSpace(line.text, 0);
        if (state.inDirectives) takeDirective(line, start);
        if (start === line.text.length || line.text[start] === "#") continue;
        return join(line, start);
      }
    },
    heredoc(name, chomp) {
      const start = state.offset;
      for (let at = start; at < text.length;) {
        const line = physicalLine(text, at);
        if ((chomp ? line.text.replace(/^\t+/, "") : line.text) === name) {
          state.offset = line.next;
          return { content: text.slice(start, at), start, end: at, terminatorEnd: line.offset + line.text.length };
        }
        at = line.next;
      }
      state.offset = text.length;
      return undefined;
    },
  };
}

function physicalLine(text: string, offset: number): PhysicalLine {
  const newline = text.indexOf("\n", offset);
  const next = newline === -1 ? text.length : newline + 1;
  let end = newline === -1 ? text.length : newline;
  while (end > offset && text.charCodeAt(end - 1) === 0x0d) end--;
  return { text: text.slice(offset, end), offset, next };
}

/**
 * Where the escape that continues a line is: last but for blanks and tabs, and not after another escape. `undefined` when
 * the line ends here. Three escapes in a row do not continue it, in BuildKit neither.
 */
function continuation(line: string, from: number, escape: string): number | undefined {
  let at = line.length - 1;
  while (at >= from && (line[at] === " " || line[at] === "\t")) at--;
  if (at < from || line[at] !== escape) return undefined;
  return at > from && line[at - 1] === escape ? undefined : at;
}

function directiveProblem(match: DirectiveMatch, earlier: readonly Directive[]): { readonly message: string; readonly hint?: string } | undefined {
  if (earlier.some((directive) => directive.name === match.name))
    return { message: `directive ${match.name} is given twice`, hint: "each parser directive may be used once" };
  if (match.name === "escape" && match.value !== "\\" && match.value !== "`")
    return { message: `invalid escape character ${JSON.stringify(match.value)}`, hint: "it is either \\ or `" };
  return undefined;
}
