import { describe, expect, it } from "vitest";
import type { Descriptor } from "./descriptor.ts";
import { MEDIA_TYPES } from "./media-types.ts";
import { formatPlatform, parsePlatform, type Platform } from "./platform.ts";
import { matchesPlatform, selectPlatform } from "./platform-match.ts";
import { digestFromHex } from "./digest.ts";

describe("parsePlatform", () => {
  it.each([
    ["linux/amd64", "linux/amd64"],
    ["linux/x86_64", "linux/amd64"],
    ["Linux/AMD64/v1", "linux/amd64"],
    ["linux/amd64/v3", "linux/amd64/v3"],
    ["linux/aarch64", "linux/arm64"],
    ["linux/arm64/v8", "linux/arm64"],
    ["linux/arm64/8", "linux/arm64"],
    ["linux/arm", "linux/arm/v7"],
    ["linux/arm/6", "linux/arm/v6"],
    ["linux/armhf", "linux/arm/v7"],
    ["linux/armel", "linux/arm/v6"],
    ["linux/i386", "linux/386"],
    ["arm64", "linux/arm64"],
    ["macos/arm64", "darwin/arm64"],
    ["windows(10.0.17763)/amd64", "windows/amd64"],
    ["linux/riscv64", "linux/riscv64"],
  ])("%s is %s", (text, expected) => {
    expect(formatPlatform(parsePlatform(text))).toBe(expected);
  });

  it("takes what is left out from the defaults", () => {
    const host: Platform = { os: "linux", architecture: "arm", variant: "v6" };
    expect(formatPlatform(parsePlatform("linux", host))).toBe("linux/arm/v6");
    expect(formatPlatform(parsePlatform("s390x", { ...host, os: "freebsd" }))).toBe("freebsd/s390x");
    expect(parsePlatform("windows(10.0.17763)/amd64")["os.version"]).toBe("10.0.17763");
  });

  it.each(["", "linux", "linux/", "/amd64", "linux/amd64/v1/x", "wat", "linux/am d64", "linux//v7", "lin$ux/amd64"])("refuses %j", (text) => {
    expect(() => parsePlatform(text)).toThrow(expect.objectContaining({ code: "OCI_INVALID_PLATFORM" }));
  });
});

describe("selectPlatform", () => {
  const entry = (platform: string | undefined, extra: Partial<Descriptor> = {}): Descriptor => {
    const [os = "", architecture = "", variant] = (platform ?? "").split("/");
    return {
      mediaType: MEDIA_TYPES.ociManifest,
      digest: digestFromHex("0".repeat(64)),
      size: 1,
      annotations: { id: platform ?? "none" },
      ...(platform === undefined ? {} : { platform: { os, architecture, ...(variant === undefined ? {} : { variant }) } }),
      ...extra,
    };
  };
  const select = (wanted: string, offered: readonly Descriptor[]): string =>
    selectPlatform({ schemaVersion: 2, manifests: offered }, parsePlatform(wanted)).annotations?.["id"] ?? "";

  it.each([
    ["linux/amd64", ["linux/arm64", "linux/amd64"], "linux/amd64"],
    ["linux/amd64", ["linux/386", "linux/amd64/v1"], "linux/amd64/v1"],
    ["linux/amd64", ["linux/amd64/v2", "linux/386"], "linux/386"],
    ["linux/amd64/v3", ["linux/amd64", "linux/amd64/v2", "linux/amd64/v4"], "linux/amd64/v2"],
    ["linux/amd64/v3", ["linux/386", "linux/amd64"], "linux/amd64"],
    ["linux/arm/v7", ["linux/arm/v5", "linux/arm/v6"], "linux/arm/v6"],
    ["linux/arm", ["linux/arm"], "linux/arm"],
    ["linux/arm/v6", ["linux/arm/v7", "linux/arm/v5"], "linux/arm/v5"],
    ["linux/arm64", ["linux/arm/v7", "linux/arm64/v8"], "linux/arm64/v8"],
    ["linux/arm64", ["linux/arm/v6", "linux/arm/v8"], "linux/arm/v8"],
    ["linux/arm64/v8.2", ["linux/arm64", "linux/arm64/v8.1", "linux/arm64/v8.3"], "linux/arm64/v8.1"],
    ["linux/arm64/v9", ["linux/arm64", "linux/arm64/v8.5"], "linux/arm64/v8.5"],
    ["linux/amd64", [undefined, "linux/amd64"], "linux/amd64"],
    ["linux/amd64", ["linux/arm64", undefined], "none"],
  ] as const)("%s out of %j takes %s", (wanted, offered, expected) => {
    expect(
      select(
        wanted,
        offered.map((platform) => entry(platform)),
      ),
    ).toBe(expected);
  });

  it("passes over attestations, artifacts and strange types", () => {
    const offered = [entry("unknown/unknown"), entry(undefined, { artifactType: "application/x" }), entry("linux/amd64", { mediaType: "application/x" })];
    const wanted = parsePlatform("linux/amd64");
    expect(() => selectPlatform({ schemaVersion: 2, manifests: offered }, wanted)).toThrow(expect.objectContaining({ code: "OCI_NO_MATCHING_PLATFORM" }));
  });

  it("says what there is", () => {
    expect(() => select("linux/amd64", [entry("linux/arm64/v8"), entry("linux/arm/v7")])).toThrow(
      expect.objectContaining({ code: "OCI_NO_MATCHING_PLATFORM", hint: expect.stringContaining("linux/arm64/v8, linux/arm/v7") }),
    );
  });

  it("matches a Windows build, whatever its revision", () => {
    const candidate: Platform = { os: "windows", architecture: "amd64", "os.version": "10.0.17763.1999" };
    expect(matchesPlatform(candidate, parsePlatform("windows(10.0.17763)/amd64"))).toBe(true);
    expect(matchesPlatform(candidate, parsePlatform("windows(10.0.20348)/amd64"))).toBe(false);
    expect(matchesPlatform(candidate, parsePlatform("windows/amd64"))).toBe(true);
  });
});
