import { columnsOf, type Grapheme, graphemesOf } from "./display-text.ts";
import type { SourceExcerpt } from "./source-range.ts";

/** A line of an excerpt as it is shown, at most as wide as was asked for. */
export interface ExcerptLine {
  readonly number: number;
  readonly text: string;
  /** Of the line the range begins on: where the carets stand below `text`, in columns. */
  readonly carets?: { readonly before: number; readonly count: number };
}

/** A heredoc can span hundreds of lines; its first ones say where it is. */
const MOST_LINES = 5;
const FEWEST_COLUMNS = 20;

/** The line before the range and the first ones of the range, each trimmed to `columns` and the first one around what is meant. */
export function excerptLines({ text, range: { start, end } }: SourceExcerpt, columns: number): readonly ExcerptLine[] {
  const room = Math.max(columns, FEWEST_COLUMNS);
  const out: ExcerptLine[] = [];
  let at = Math.max(0, start.offset - (start.column - 1));
  if (at > 1) {
    const before = text.lastIndexOf("\n", at - 2) + 1;
    out.push({ number: start.line - 1, text: trimmed(lineAt(text, before), { from: 0, to: 0 }, room).text });
  }
  const last = Math.min(end.column === 1 && end.line > start.line ? end.line - 1 : end.line, start.line + MOST_LINES - 1);
  for (let number = start.line; number <= last && at <= text.length; number++) {
    const line = lineAt(text, at);
    if (number > start.line) out.push({ number, text: trimmed(line, { from: 0, to: 0 }, room).text });
    else {
      const from = start.column - 1;
      const { text: seen, before, count } = trimmed(line, { from, to: end.line === start.line ? end.column - 1 : line.length }, room);
      out.push({ number, text: seen, carets: { before, count } });
    }
    const newline = text.indexOf("\n", at);
    at = newline === -1 ? text.length + 1 : newline + 1;
  }
  return out;
}

function lineAt(text: string, start: number): string {
  const newline = text.indexOf("\n", start);
  return text
    .slice(start, newline === -1 ? undefined : newline)
    .replace(/^\ufeff/, "")
    .replace(/\r$/, "");
}

/** What of a line has room, with `…` where it goes on; `focus` is in UTF-16 units of the line. */
function trimmed(
  line: string,
  focus: { readonly from: number; readonly to: number },
  room: number,
): { readonly text: string; readonly before: number; readonly count: number } {
  // a line may have megabytes; no more of it than could be shown is looked at
  const begin = Math.max(0, Math.min(focus.from, line.length) - 4 * room);
  const graphemes = graphemesOf(line.slice(begin, begin + 8 * room));
  const indexOf = (offset: number): number => {
    const found = graphemes.findIndex((each, i) => offset < begin + (graphemes[i + 1]?.start ?? Number.POSITIVE_INFINITY));
    return offset >= line.length || found === -1 ? graphemes.length : found;
  };
  const from = indexOf(focus.from);
  const to = Math.max(from, focus.to > focus.from ? indexOf(focus.to - 1) + 1 : from);
  const { left, right } = windowOf(graphemes, { from, to }, { room, cut: begin > 0 });
  const opening = left > 0 || begin > 0 ? "…" : "";
  const closing = right < graphemes.length || begin + 8 * room < line.length ? "…" : "";
  return {
    text: `${opening}${graphemes
      .slice(left, right)
      .map((each) => each.text)
      .join("")}${closing}`.trimEnd(),
    before: opening.length + columnsOf(graphemes.slice(left, from)),
    count: Math.max(1, columnsOf(graphemes.slice(from, Math.min(to, right)))),
  };
}

/** From the line's start where what is meant fits so, else with a third of the room before it. */
function windowOf(
  graphemes: readonly Grapheme[],
  focus: { readonly from: number; readonly to: number },
  { room, cut }: { readonly room: number; readonly cut: boolean },
): { readonly left: number; readonly right: number } {
  if (!cut && columnsOf(graphemes) <= room) return { left: 0, right: graphemes.length };
  let left = 0;
  if (cut || columnsOf(graphemes.slice(0, focus.to)) > room - 1) {
    left = focus.from;
    for (let used = 0; left > 0; left--) {
      used += graphemes[left - 1]?.columns ?? 0;
      if (used > room / 3) break;
    }
  }
  let right = left;
  // a column each for the marks of what is left out
  for (let used = 2; right < graphemes.length; right++) {
    used += graphemes[right]?.columns ?? 0;
    if (used > room) break;
  }
  return { left, right };
}
