import { columnsOf, type Grapheme, graphemesOf } from "@varve/errors";

/** Cut (with `…`) or padded to exactly `width` columns: a line that wraps would move everything below it. What a terminal would obey is written out. */
export function fit(text: string, width: number): string {
  const graphemes = graphemesOf(text);
  const columns = columnsOf(graphemes);
  if (columns <= width) return textOf(graphemes) + " ".repeat(width - columns);
  if (width < 1) return "";
  const kept: Grapheme[] = [];
  let used = 0;
  for (const grapheme of graphemes) {
    if (used + grapheme.columns > width - 1) break;
    kept.push(grapheme);
    used += grapheme.columns;
  }
  return `${textOf(kept)}…${" ".repeat(width - 1 - used)}`;
}

function textOf(graphemes: readonly Grapheme[]): string {
  return graphemes.map(({ text }) => text).join("");
}
