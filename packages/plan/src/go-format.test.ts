import { expect, it } from "vitest";
import { goDuration, goQuote } from "./go-format.ts";

it.each([
  [0, "0s"],
  [1, "1ns"],
  [1100, "1.1µs"],
  [2_200_000, "2.2ms"],
  [999_999_999, "999.999999ms"],
  [1_000_000_000, "1s"],
  [1_500_000_001, "1.500000001s"],
  [60e9, "1m0s"],
  [3_600e9 + 1e6, "1h0m0.001s"],
  [100 * 3_600e9 + 59 * 60e9 + 59e9, "100h59m59s"],
  [-1_500_000, "-1.5ms"],
])("%d ns is %s", (nanoseconds, text) => {
  expect(goDuration(nanoseconds)).toBe(text);
});

it.each([
  ["", '""'],
  ['a"b\\c', '"a\\"b\\\\c"'],
  ["\x07\b\f\n\r\t\v\0\x7f", '"\\a\\b\\f\\n\\r\\t\\v\\x00\\x7f"'],
  ["é 日本 😀", '"é 日本 😀"'],
  ["\u00a0\u200b\u{e0001}", '"\\u00a0\\u200b\\U000e0001"'],
])("%j is quoted as %s", (text, quoted) => {
  expect(goQuote(text)).toBe(quoted);
});
