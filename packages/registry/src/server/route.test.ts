import { describe, expect, it } from "vitest";
import { parseByteRange } from "./byte-range.ts";
import { parseRoute } from "./route.ts";

const DIGEST = `sha256:${"0".repeat(64)}`;

describe("parseRoute", () => {
  it.each<[string, unknown]>([
    ["/v2/", { kind: "base" }],
    ["/v2", { kind: "base" }],
    ["/v2/_catalog", { kind: "catalog" }],
    ["/v2/a/b/tags/list", { kind: "tags", repository: "a/b" }],
    ["/v2/blobs/uploads/blobs/uploads/", { kind: "uploads", repository: "blobs/uploads" }],
    ["/v2/a/blobs/uploads", { kind: "uploads", repository: "a" }],
    ["/v2/a/blobs/uploads/id", { kind: "upload", repository: "a", id: "id" }],
    [`/v2/manifests/blobs/${DIGEST}`, { kind: "blob", repository: "manifests", digest: DIGEST }],
    [`/v2/a/blobs/${DIGEST.replace(":", "%3A")}`, { kind: "blob", repository: "a", digest: DIGEST }],
    ["/v2/tags/list/manifests/latest", { kind: "manifest", repository: "tags/list", reference: "latest" }],
    [`/v2/a/referrers/${DIGEST}`, { kind: "referrers", repository: "a", digest: DIGEST }],
    ["/", undefined],
    ["/v1/_ping", undefined],
    ["/v2/a", undefined],
    ["/v2/a/tags/other", undefined],
  ])("%s", (path, expected) => {
    expect(parseRoute(path)).toEqual(expected);
  });

  it.each([
    "/v2/manifests/latest",
    "/v2/A/manifests/latest",
    "/v2/a//b/manifests/latest",
    "/v2/../a/manifests/latest",
    "/v2/a%2fb/manifests/x",
    `/v2/${"a".repeat(256)}/tags/list`,
  ])("refuses the name in %s", (path) => {
    expect(() => parseRoute(path)).toThrow(expect.objectContaining({ code: "NAME_INVALID" }));
  });
});

describe("parseByteRange", () => {
  it.each<[string | undefined, unknown]>([
    [undefined, undefined],
    ["bytes=0-0", { start: 0, end: 1 }],
    ["bytes=2-", { start: 2, end: 10 }],
    ["bytes=2-100", { start: 2, end: 10 }],
    ["bytes=-3", { start: 7, end: 10 }],
    ["bytes=-30", { start: 0, end: 10 }],
    ["bytes=-0", "unsatisfiable"],
    ["bytes=10-", "unsatisfiable"],
    ["bytes=5-4", undefined],
    ["bytes=-", undefined],
    ["bytes=0-1,3-4", undefined],
    ["items=0-1", undefined],
  ])("%s of 10", (header, expected) => {
    expect(parseByteRange(header, 10)).toEqual(expected);
  });
});
