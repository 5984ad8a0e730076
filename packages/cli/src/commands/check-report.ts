import type { CheckResult } from "@varve/build";
import { findRule } from "@varve/dockerfile";
import { renderDiagnostic, visibleText } from "@varve/errors";
import { locationOf } from "./location.ts";

type Warning = CheckResult["warnings"][number];

/** What `docker buildx build --check` prints. */
export function checkText({ file, text, warnings, error, further }: CheckResult): string {
  const count = warnings.length === 1 ? "1 warning has been found!" : `${warnings.length} warnings have been found!`;
  const head = warnings.length === 0 ? (error === undefined ? "Check complete, no warnings found.\n" : "") : `Check complete, ${count}\n`;
  const lines = text.split("\n").map((line) => line.replace(/\r$/, ""));
  const errors = error === undefined ? [] : [error, ...further];
  return head + warnings.map((warning) => warningText(file, lines, warning)).join("") + errors.map((each) => `\n${renderDiagnostic(each)}\n`).join("");
}

function warningText(file: string, lines: readonly string[], { rule, message, range }: Warning): string {
  const url = findRule(rule)?.url;
  return `\nWARNING: ${rule}${url === undefined ? "" : ` - ${url}`}\n${visibleText(message)}\n${excerpt(file, lines, { first: range.start.line, last: range.end.line })}`;
}

/** The lines with some around them, as BuildKit pads them: up to four in all for one line, two for several. */
function excerpt(file: string, lines: readonly string[], range: { readonly first: number; readonly last: number }): string {
  const pad = range.first === range.last ? 4 : 2;
  let start = range.first;
  let end = Math.min(range.last, lines.length);
  for (let added = 0; added < pad; added++) {
    if (start > 1) {
      start--;
      added++;
    }
    if (end !== lines.length) {
      end++;
      added++;
    }
  }
  const rule = "--------------------\n";
  const shown = lines.slice(start - 1, end).map((line, i) => {
    const number = start + i;
    return ` ${String(number).padStart(3)} | ${number >= range.first && number <= range.last ? ">>>" : "   "} ${visibleText(line)}\n`;
  });
  return `${visibleText(file)}:${range.first}\n${rule}${shown.join("")}${rule}`;
}

/** BuildKit's result of the subrequest `frontend.lint`. */
export function checkJson({ file, text, warnings, error, unchecked }: CheckResult): string {
  return `${JSON.stringify(
    {
      warnings: warnings.map(({ rule, message, range }) => {
        const { description, url } = findRule(rule) ?? {};
        return {
          ruleName: rule,
          ...(description === undefined ? {} : { description }),
          ...(url === undefined ? {} : { url }),
          detail: message,
          location: locationOf(range),
        };
      }),
      sources: [{ filename: file, language: "Dockerfile", data: Buffer.from(text).toString("base64") }],
      ...(error === undefined ? {} : { buildError: { message: error.message, location: error.source === undefined ? {} : locationOf(error.source.range) } }),
      ...(unchecked.length === 0 ? {} : { unchecked }),
    },
    undefined,
    2,
  )}\n`;
}
