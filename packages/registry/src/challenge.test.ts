import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseChallenges } from "./challenge.ts";

function plain(header: string): unknown {
  return parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);
}

describe("parseChallenges", () => {
  it.each<[string, unknown]>([
    [
      'Bearer realm="https://auth.test/token",service="registry.test",scope="repository:a/b:pull,push"',
      [["bearer", { realm: "https://auth.test/token", service: "registry.test", scope: "repository:a/b:pull,push" }]],
    ],
    ['Basic realm="a \\"quoted\\" realm"', [["basic", { realm: 'a "quoted" realm' }]]],
    [
      'Basic realm="x", Bearer realm="https://y", service="z"',
      [
        ["basic", { realm: "x" }],
        ["bearer", { realm: "https://y", service: "z" }],
      ],
    ],
    [
      "Negotiate, Basic realm=x",
      [
        ["negotiate", {}],
        ["basic", { realm: "x" }],
      ],
    ],
    [
      'NTLM TlRMTVNTUAAB==, BASIC REALM="x"',
      [
        ["ntlm", {}],
        ["basic", { realm: "x" }],
      ],
    ],
    ['Bearer realm = "https://y" , service = "z"', [["bearer", { realm: "https://y", service: "z" }]]],
    ["Bearer realm=https://auth.test/token,service=registry.test", [["bearer", { realm: "https://auth.test/token", service: "registry.test" }]]],
    ['Bearer realm="",scope=""', [["bearer", { realm: "", scope: "" }]]],
    ["Basic", [["basic", {}]]],
    ['Bearer realm="https://y", error="invalid_token', [["bearer", { realm: "https://y" }]]],
    ["", []],
    [",, ,", []],
  ])("%s", (header, expected) => {
    expect(plain(header)).toEqual(expected);
  });

  it("never throws, and takes linear time", () => {
    fc.assert(fc.property(fc.string({ unit: "binary-ascii", maxLength: 300 }), (text) => void parseChallenges(text)));
    for (const unit of ['"', "\\", "a=", ", ", " ", "a", '\\"', "Basic "]) parseChallenges(`Bearer realm="${unit.repeat(50_000)}`);
  });
});
