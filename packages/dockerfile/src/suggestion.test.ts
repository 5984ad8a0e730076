import { expect, it } from "vitest";
import { didYouMean } from "./suggestion.ts";

it.each<readonly [string, string | undefined]>([
  ["tagret", "did you mean target?"],
  ["TYPE", "did you mean type?"],
  ["zzz", undefined],
  ["0", undefined],
  ["t".repeat(1000), undefined],
])("%s is near to %s", (word, hint) => {
  expect(didYouMean(word, ["type", "target", "source", "a"])).toBe(hint);
});
