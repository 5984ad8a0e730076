import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalJson } from "./canonical-json.ts";

const text = (value: unknown): string => new TextDecoder().decode(canonicalJson(value));

describe("canonicalJson", () => {
  it("sorts keys, drops what is undefined, and adds no white space", () => {
    expect(text({ b: 1, a: [true, null, "é"], "10": 0, "9": {}, u: undefined })).toBe('{"10":0,"9":{},"a":[true,null,"é"],"b":1}');
  });

  it("keeps a key named __proto__", () => {
    expect(text(JSON.parse('{"__proto__":{"x":1}}'))).toBe('{"__proto__":{"x":1}}');
  });

  it("refuses what JSON cannot hold", () => {
    for (const value of [Number.NaN, Infinity, 1n, new Map(), new Uint8Array(1), new Date(0), () => 1])
      expect(() => canonicalJson({ value })).toThrow(TypeError);
  });

  it("says the same as JSON.parse read, whatever the order of keys", () => {
    fc.assert(
      fc.property(fc.json(), (json) => {
        const value: unknown = JSON.parse(json);
        const once = text(value);
        expect(text(JSON.parse(once))).toBe(once);
        expect(JSON.parse(once)).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });
});
