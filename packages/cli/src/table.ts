/** Columns of text as docker prints them: padded, some blanks between, the last one not padded. */
export function renderTable(rows: readonly (readonly string[])[], gap = 3): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) => `${row.map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0))).join(" ".repeat(gap))}\n`)
    .join("");
}
