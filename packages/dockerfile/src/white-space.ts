/**
 * Whether a UTF-16 unit is white space as Go's `unicode.IsSpace` has it, which is what Dockerfile parsers use:
 * unlike JavaScript's `\s` it includes U+0085 and leaves out U+FEFF.
 */
export function isSpace(code: number): boolean {
  if (code <= 0x20) return code === 0x20 || (code >= 0x09 && code <= 0x0d);
  if (code < 0x1680) return code === 0x85 || code === 0xa0;
  return code === 0x1680 || (code >= 0x2000 && code <= 0x200a) || code === 0x2028 || code === 0x2029 || code === 0x202f || code === 0x205f || code === 0x3000;
}

/** Whether a unit separates arguments: the smaller set `[\t\v\f\r ]` that splits keyword and list arguments. */
export function isSeparator(code: number): boolean {
  return code === 0x20 || code === 0x09 || code === 0x0b || code === 0x0c || code === 0x0d;
}

/** First index at or after `from` that is no white space; `text.length` when there is none. */
export function skipSpace(text: string, from: number): number {
  let at = from;
  while (at < text.length && isSpace(text.charCodeAt(at))) at++;
  return at;
}

/** End (exclusive) of `text` without the white space at its end, not before `from`. */
export function trimmedEnd(text: string, from: number): number {
  let end = text.length;
  while (end > from && isSpace(text.charCodeAt(end - 1))) end--;
  return end;
}
