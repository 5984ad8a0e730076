import { columnsOf, graphemesOf, visibleText } from "@varve/errors";

/** Columns of text as docker prints them: padded, some blanks between, the last one not padded. What a terminal would obey is written out. */
export function renderTable(rows: readonly (readonly string[])[], gap = 3): string {
  const columns = (text: string): number => columnsOf(graphemesOf(text));
  const widths = (rows[0] ?? []).map((_, column) => rows.reduce((most, row) => Math.max(most, columns(row[column] ?? "")), 0));
  const padded = (cell: string, width: number): string => visibleText(cell) + " ".repeat(Math.max(0, width - columns(cell)));
  return rows
    .map((row) => `${row.map((cell, column) => (column === row.length - 1 ? visibleText(cell) : padded(cell, widths[column] ?? 0))).join(" ".repeat(gap))}\n`)
    .join("");
}
