import type { LogicalLine, Token } from "./logical-line.ts";
import { skipSpace } from "./white-space.ts";

/** What arguments are as a JSON array: its strings, not an array at all, or an array that holds something else. */
export type JsonArray = { readonly kind: "strings"; readonly items: readonly Token[] } | { readonly kind: "none" } | { readonly kind: "mixed" };

/** Reads `[start, end)` as a JSON array of strings (RFC 8259); text that is not valid JSON is `none`, so shell form. */
export function readJsonArray(line: LogicalLine, start: number, end: number): JsonArray {
  const open = skipSpace(line.text, start);
  if (open >= end || line.text[open] !== "[") return { kind: "none" };
  let value: unknown;
  try {
    value = JSON.parse(line.text.slice(open, end));
  } catch {
    return { kind: "none" };
  }
  if (!Array.isArray(value)) return { kind: "none" };
  if (!value.every((item) => typeof item === "string")) return { kind: "mixed" };
  return { kind: "strings", items: locate(line.text, open, value) };
}

/** The JSON is known to be valid and flat, so every quote that isn't escaped opens or closes an item. */
function locate(text: string, open: number, values: readonly string[]): Token[] {
  let at = open;
  return values.map((value) => {
    const start = text.indexOf('"', at);
    let close = start + 1;
    while (text[close] !== '"') close += text[close] === "\\" ? 2 : 1;
    at = close + 1;
    return { value: wellFormed(value), start, end: at };
  });
}

/** A lone surrogate (`"\ud800"`) becomes U+FFFD: it has no UTF-8 form. */
function wellFormed(text: string): string {
  return text.replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, "\ufffd");
}
