import { malformed } from "./tar-block.ts";

/** PAX records by key; values are byte strings. An empty value takes a record back. */
export type PaxRecords = ReadonlyMap<string, string>;

const NEWLINE = 0x0a;
const SPACE = 0x20;
const EQUALS = 0x3d;
/** Values that become names in a file system, where a NUL would end them early. */
const TEXT_KEYS: ReadonlySet<string> = new Set(["path", "linkpath", "uname", "gname"]);

/**
 * Parses the content of a PAX extended header (POSIX pax, "pax Extended Header"): `LENGTH KEY=VALUE\n` records, values taken as
 * bytes. The last of equal keys wins. Throws ARCHIVE_MALFORMED_TAR.
 */
export function parsePaxRecords(bytes: Uint8Array): PaxRecords {
  const records = new Map<string, string>();
  let at = 0;
  while (at < bytes.length) {
    const end = recordEnd(bytes, at);
    const space = bytes.indexOf(SPACE, at);
    const equals = bytes.indexOf(EQUALS, space + 1);
    if (equals < 0 || equals >= end || equals === space + 1) throw malformed("a PAX record has no key");
    const key = byteString(bytes, space + 1, equals);
    const value = byteString(bytes, equals + 1, end - 1);
    if (key.includes("\0") || (TEXT_KEYS.has(key) && value.includes("\0"))) throw malformed(`PAX record ${JSON.stringify(key)} holds a NUL`);
    records.set(key, value);
    at = end;
  }
  return records;
}

/** Where the record that starts at `at` ends, its newline included. */
function recordEnd(bytes: Uint8Array, at: number): number {
  let length = 0;
  let i = at;
  for (; i < bytes.length && bytes[i] !== SPACE; i++) {
    const digit = (bytes[i] ?? 0) - 0x30;
    if (digit < 0 || digit > 9 || i - at > 8) throw malformed("a PAX record's length is not a number");
    length = length * 10 + digit;
  }
  const end = at + length;
  if (i === at || i >= bytes.length || end > bytes.length || end <= i + 1) throw malformed("a PAX record's length is wrong");
  if (bytes[end - 1] !== NEWLINE) throw malformed("a PAX record does not end with a newline");
  return end;
}

/** Encodes records sorted by key. Values are byte strings; keys must not hold `=` or NUL. */
export function encodePaxRecords(records: PaxRecords): Uint8Array {
  const keys = [...records.keys()].sort();
  const text = keys.map((key) => encodeRecord(key, records.get(key) ?? "")).join("");
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

function encodeRecord(key: string, value: string): string {
  const rest = key.length + value.length + 3;
  // the length counts its own digits
  let length = rest + String(rest).length;
  if (String(length).length !== String(rest).length) length = rest + String(length).length;
  return `${length} ${key}=${value}\n`;
}

function byteString(bytes: Uint8Array, start: number, end: number): string {
  let text = "";
  for (let i = start; i < end; i += 8192) text += String.fromCharCode(...bytes.subarray(i, Math.min(end, i + 8192)));
  return text;
}
