import { describe, expect, it } from "vitest";
import { digestFromHex, digestHex, isDigest, parseDiffID, parseDigest } from "./digest.ts";

const HEX = "0123456789abcdef".repeat(4);

describe("parseDigest", () => {
  it("takes sha256 with 64 lower-case hex digits, as it is", () => {
    expect(parseDigest(`sha256:${HEX}`)).toBe(`sha256:${HEX}`);
    expect(parseDiffID(`sha256:${HEX}`)).toBe(`sha256:${HEX}`);
    expect(digestHex(digestFromHex(HEX))).toBe(HEX);
  });

  it.each([
    "",
    HEX,
    `sha256:${HEX.slice(1)}`,
    `sha256:${HEX}0`,
    `sha256:${HEX.toUpperCase()}`,
    `sha512:${HEX}${HEX}`,
    ` sha256:${HEX}`,
    `sha256:${HEX}\n`,
    "sha256:../../etc",
  ])("%j is none", (text) => {
    expect(isDigest(text)).toBe(false);
    expect(() => parseDigest(text)).toThrow(expect.objectContaining({ code: "OCI_INVALID_DIGEST" }));
    expect(() => parseDiffID(text)).toThrow(expect.objectContaining({ code: "OCI_INVALID_DIGEST" }));
  });
});
