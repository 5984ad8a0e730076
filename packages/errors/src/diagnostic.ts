import { visibleText } from "./display-text.ts";
import { excerptLines } from "./excerpt.ts";
import type { SourceExcerpt } from "./source-range.ts";
import type { VarveError } from "./varve-error.ts";

/** How {@link renderDiagnostic} decorates; every function is given plain text and leaves its width. */
export interface DiagnosticStyle {
  readonly error: (text: string) => string;
  readonly faint: (text: string) => string;
  readonly hint: (text: string) => string;
}

const PLAIN: DiagnosticStyle = { error: (t) => t, faint: (t) => t, hint: (t) => t };

/** Where there is no terminal to ask. */
const COLUMNS = 120;

/**
 * The text people read: `file:line:column: message [CODE]`, the excerpt (its lines trimmed to `columns`), details, `hint: …`. What a terminal would
 * obey is written out (`\x1b`), but in details, which are output of programs. No trailing newline.
 */
export function renderDiagnostic(error: VarveError, style: DiagnosticStyle = PLAIN, columns: number = COLUMNS): string {
  const where = error.source === undefined ? "" : `${error.source.file}:${error.source.range.start.line}:${error.source.range.start.column}: `;
  const lines = [`${visibleText(where)}${style.error(visibleText(error.message))} ${style.faint(`[${error.code}]`)}`];
  if (error.source !== undefined) lines.push(...renderExcerpt(error.source, style, columns));
  for (const detail of error.details) lines.push(`  ${detail}`);
  if (error.hint !== undefined) lines.push(`${style.hint("hint:")} ${visibleText(error.hint)}`);
  return lines.join("\n");
}

function renderExcerpt(source: SourceExcerpt, style: DiagnosticStyle, columns: number): readonly string[] {
  const { start, end } = source.range;
  const width = String(Math.min(start.line + 4, end.line)).length;
  const gutter = (mark: string, number: string): string => `${mark} ${number.padStart(width)} ${style.faint("│")} `;
  return excerptLines(source, columns - width - 5).flatMap(({ number, text, carets }) => {
    const line = (gutter(number < start.line ? " " : ">", String(number)) + text).trimEnd();
    return carets === undefined ? [line] : [line, `${gutter(" ", "")}${" ".repeat(carets.before)}${style.error("^".repeat(carets.count))}`];
  });
}
