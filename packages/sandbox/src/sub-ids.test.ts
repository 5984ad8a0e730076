import { describe, expect, it } from "vitest";
import { idMappings, subIdRanges } from "./sub-ids.ts";

describe("ids that a user may give away", () => {
  const text = "root:1:2\nann:100000:65536\n1000:300000:5\n\n# ann:1:1\nann:x:5\nann:9\nannabel:7:7\n";

  it("are found by name and by number", () => {
    expect(subIdRanges(text, { id: 1000, name: "ann" })).toEqual([
      { first: 100_000, count: 65_536 },
      { first: 300_000, count: 5 },
    ]);
    expect(subIdRanges(text, { id: 1000 })).toEqual([{ first: 300_000, count: 5 }]);
    expect(subIdRanges(text, { id: 7 })).toEqual([]);
    expect(subIdRanges("", { id: 7, name: "ann" })).toEqual([]);
  });

  it("follow the user's own, which is root inside", () => {
    const ranges = subIdRanges(text, { id: 1000, name: "ann" });
    expect(idMappings(1000, ranges)).toEqual([
      [0, 1000, 1],
      [1, 100_000, 65_536],
      [65_537, 300_000, 5],
    ]);
  });
});
