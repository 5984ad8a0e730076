const PRINTABLE = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u;
const SHORT: Readonly<Record<string, string>> = {
  "\x07": "\\a",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\v": "\\v",
  "\\": "\\\\",
  '"': '\\"',
};

/** Go's `%q` of a string: double quotes, what is not printable escaped. */
export function goQuote(text: string): string {
  return `"${Array.from(text, quoteCharacter).join("")}"`;
}

/** Go's `%q` of a list of strings: `["a" "b"]`. */
export function goQuoteList(texts: readonly string[]): string {
  return `[${texts.map(goQuote).join(" ")}]`;
}

/** Go's `%v` of a list of strings: `[a b]`. */
export function goList(texts: readonly string[]): string {
  return `[${texts.join(" ")}]`;
}

/** Go's text of a duration given in nanoseconds: `1.5s`, `1h0m0s`, `200ms`, `0s`. */
export function goDuration(nanoseconds: number): string {
  if (nanoseconds < 0) return `-${goDuration(-nanoseconds)}`;
  if (nanoseconds === 0) return "0s";
  for (const [unit, size] of [
    ["ns", 1],
    ["µs", 1e3],
    ["ms", 1e6],
  ] as const)
    if (nanoseconds < size * 1000) return `${decimal(nanoseconds, size)}${unit}`;
  const minutes = Math.floor(nanoseconds / 60e9);
  const seconds = `${decimal(nanoseconds - minutes * 60e9, 1e9)}s`;
  if (minutes === 0) return seconds;
  return minutes < 60 ? `${minutes}m${seconds}` : `${Math.floor(minutes / 60)}h${minutes % 60}m${seconds}`;
}

/** `value / size` without rounding: both are whole, `size` is a power of ten. */
function decimal(value: number, size: number): string {
  const whole = Math.floor(value / size);
  const rest = value - whole * size;
  if (rest === 0) return String(whole);
  return `${whole}.${String(rest)
    .padStart(String(size).length - 1, "0")
    .replace(/0+$/, "")}`;
}

function quoteCharacter(character: string): string {
  const short = SHORT[character];
  if (short !== undefined) return short;
  if (PRINTABLE.test(character)) return character;
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x20 || code === 0x7f) return `\\x${code.toString(16).padStart(2, "0")}`;
  return code < 0x1_0000 ? `\\u${code.toString(16).padStart(4, "0")}` : `\\U${code.toString(16).padStart(8, "0")}`;
}
