const UNITS: Readonly<Record<string, number>> = { ns: 1, us: 1e3, "\u00b5s": 1e3, "\u03bcs": 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 };
const PART = /(\d+\.?\d*|\.\d+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h)/y;
/** Largest signed 64-bit integer, where Go's durations end. */
const LARGEST = 2 ** 63;

/** Reads a Go duration (`1m30s`, `1.5h`, `0`) as nanoseconds; `undefined` when it is none, Infinity when it is one past Go's. */
export function parseDuration(text: string): number | undefined {
  const sign = text.startsWith("-") ? -1 : 1;
  const body = text.replace(/^[-+]/, "");
  if (body === "0") return 0;
  if (body === "") return undefined;
  let total = 0;
  PART.lastIndex = 0;
  for (let at = 0; at < body.length; at = PART.lastIndex) {
    const match = PART.exec(body);
    if (match === null) return undefined;
    total += Math.trunc(Number(match[1]) * (UNITS[match[2] ?? ""] ?? Number.NaN));
  }
  return sign * (total < LARGEST ? total : Number.POSITIVE_INFINITY);
}
