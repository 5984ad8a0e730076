import type { SourceExcerpt } from "./source-range.ts";
import type { VarveError } from "./varve-error.ts";

/** How {@link renderDiagnostic} decorates; every function takes and gives plain text, width unchanged. */
export interface DiagnosticStyle {
  readonly error: (text: string) => string;
  readonly faint: (text: string) => string;
  readonly hint: (text: string) => string;
}

const PLAIN: DiagnosticStyle = { error: (t) => t, faint: (t) => t, hint: (t) => t };

/**
 * The text people read: `file:line:column: message [CODE]`, the excerpt, details, `hint: …`.
 * No trailing newline.
 */
export function renderDiagnostic(error: VarveError, style: DiagnosticStyle = PLAIN): string {
  const where = error.source === undefined ? "" : `${error.source.file}:${error.source.range.start.line}:${error.source.range.start.column}: `;
  const lines = [`${where}${style.error(error.message)} ${style.faint(`[${error.code}]`)}`];
  if (error.source !== undefined) lines.push(...renderExcerpt(error.source, style));
  for (const detail of error.details) lines.push(`  ${detail}`);
  if (error.hint !== undefined) lines.push(`${style.hint("hint:")} ${error.hint}`);
  return lines.join("\n");
}

function renderExcerpt(source: SourceExcerpt, style: DiagnosticStyle): string[] {
  const lines = source.text.split("\n");
  const { start, end } = source.range;
  const lastLine = end.column === 1 && end.line > start.line ? end.line - 1 : end.line;
  // a heredoc can span hundreds of lines; its first ones say where it is
  const shownLast = Math.min(lastLine, start.line + 4, lines.length);
  const width = String(shownLast).length;
  const gutter = (line: number, mark: string): string => `${mark} ${String(line).padStart(width)} ${style.faint("│")} `;
  const text = (line: number): string => (lines[line - 1] ?? "").replace(/\r$/, "").replaceAll("\t", " ");
  const out: string[] = [];
  if (start.line > 1) out.push((gutter(start.line - 1, " ") + text(start.line - 1)).trimEnd());
  for (let line = start.line; line <= shownLast; line++) {
    out.push((gutter(line, ">") + text(line)).trimEnd());
    if (line !== start.line) continue;
    const stop = end.line === start.line ? end.column : text(line).length + 1;
    const carets = "^".repeat(Math.max(1, stop - start.column));
    out.push(`  ${" ".repeat(width)} ${style.faint("│")} ${" ".repeat(start.column - 1)}${style.error(carets)}`);
  }
  return out;
}
