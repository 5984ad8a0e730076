/** Splits one CSV record (RFC 4180, as Go's `encoding/csv`) into its fields; `undefined` when quotes are misplaced. */
export function parseCsvRecord(text: string): string[] | undefined {
  const fields: string[] = [];
  for (let at = 0; at <= text.length;) {
    if (text[at] !== '"') {
      const comma = text.indexOf(",", at);
      const end = comma === -1 ? text.length : comma;
      const field = text.slice(at, end);
      if (field.includes('"')) return undefined;
      fields.push(field);
      at = end + 1;
      continue;
    }
    const parts: string[] = [];
    at++;
    for (;;) {
      const close = text.indexOf('"', at);
      if (close === -1) return undefined;
      parts.push(text.slice(at, close));
      at = close + 1;
      if (text[at] !== '"') break;
      parts.push('"');
      at++;
    }
    if (at < text.length && text[at] !== ",") return undefined;
    fields.push(parts.join(""));
    at++;
  }
  return fields;
}
