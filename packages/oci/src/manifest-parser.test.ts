import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isVarveError } from "@varve/errors";
import { canonicalJson } from "./canonical-json.ts";
import { parseImageConfig } from "./image-config-parser.ts";
import { parseIndex, parseManifest } from "./manifest-parser.ts";
import { MEDIA_TYPES } from "./media-types.ts";

const digest = `sha256:${"1".repeat(64)}`;
const layer = { mediaType: MEDIA_TYPES.ociLayerGzip, digest, size: 7 };
const manifest = { schemaVersion: 2, mediaType: MEDIA_TYPES.ociManifest, config: { mediaType: MEDIA_TYPES.ociConfig, digest, size: 2 }, layers: [layer] };
const index = {
  schemaVersion: 2,
  mediaType: MEDIA_TYPES.ociIndex,
  manifests: [{ mediaType: MEDIA_TYPES.ociManifest, digest, size: 9, platform: { os: "linux", architecture: "amd64" } }],
};
const bytes = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
const invalid = expect.objectContaining({ code: "OCI_INVALID_MANIFEST" });

describe("parseManifest", () => {
  it("reads OCI and Docker manifests, and keeps what it does not know", () => {
    expect(parseManifest(bytes({ ...manifest, extra: { a: 1 } }), MEDIA_TYPES.ociManifest)).toEqual({ ...manifest, extra: { a: 1 } });
    const docker = { ...manifest, mediaType: MEDIA_TYPES.dockerManifest };
    expect(parseManifest(bytes(docker), MEDIA_TYPES.dockerManifest)).toEqual(docker);
  });

  it("takes a body that names no media type at the word of its header", () => {
    const { mediaType: _, ...plain } = manifest;
    expect(parseManifest(bytes(plain), `${MEDIA_TYPES.ociManifest}; charset=utf-8`)).toEqual(plain);
  });

  it("takes nulls that Go writes for absent members", () => {
    expect(parseManifest(bytes({ ...manifest, annotations: null, subject: null, layers: [{ ...layer, urls: null, annotations: null }] }))).toEqual(manifest);
  });

  it.each([
    ["a header that differs", manifest, MEDIA_TYPES.dockerManifest],
    ["a header of another kind", manifest, "application/json"],
    ["a body of another kind", { ...manifest, mediaType: MEDIA_TYPES.ociIndex }, undefined],
    ["manifests beside layers", { ...manifest, manifests: [] }, undefined],
    ["Manifests in capitals beside layers", { ...manifest, Manifests: [] }, undefined],
    ["schema 1", { schemaVersion: 1, fsLayers: [] }, undefined],
    ["no schema version", { ...manifest, schemaVersion: undefined }, undefined],
    ["no config", { ...manifest, config: undefined }, undefined],
    ["no layers", { ...manifest, layers: undefined }, undefined],
    ["a digest with capitals", { ...manifest, layers: [{ ...layer, digest: digest.replaceAll("1", "A") }] }, undefined],
    ["a digest that is a path", { ...manifest, layers: [{ ...layer, digest: "sha256:../../etc/passwd" }] }, undefined],
    ["a negative size", { ...manifest, layers: [{ ...layer, size: -1 }] }, undefined],
    ["a size that is no integer", { ...manifest, layers: [{ ...layer, size: 1.5 }] }, undefined],
    ["annotations that are no texts", { ...manifest, annotations: { a: 1 } }, undefined],
    ["an array", [], undefined],
    ["null", null, undefined],
  ])("refuses %s", (_, body, contentType) => {
    expect(() => parseManifest(bytes(body), contentType)).toThrow(invalid);
  });

  it("refuses text after the JSON, a byte order mark and broken UTF-8", () => {
    for (const broken of ["{}x", "\uFEFF{}"]) expect(() => parseManifest(new TextEncoder().encode(broken))).toThrow(invalid);
    expect(() => parseManifest(Uint8Array.of(0x22, 0xff, 0x22))).toThrow(invalid);
  });

  it("stops at 4 MiB and at 1,000 layers", () => {
    const padded = (size: number): Uint8Array => {
      const body = bytes(manifest);
      const out = new Uint8Array(size).fill(0x20);
      out.set(body);
      return out;
    };
    expect(parseManifest(padded(4 * 1024 * 1024))).toEqual(manifest);
    expect(() => parseManifest(padded(4 * 1024 * 1024 + 1))).toThrow(expect.objectContaining({ code: "OCI_TOO_LARGE" }));
    const layers = (count: number): Uint8Array => bytes({ ...manifest, layers: Array.from({ length: count }, () => layer) });
    expect(parseManifest(layers(1000)).layers).toHaveLength(1000);
    expect(() => parseManifest(layers(1001))).toThrow(expect.objectContaining({ code: "OCI_TOO_LARGE" }));
  });

  it("never throws anything but its own errors", () => {
    fc.assert(
      fc.property(fc.json(), (json) => {
        for (const parse of [parseManifest, parseIndex, parseImageConfig]) {
          try {
            parse(new TextEncoder().encode(json));
          } catch (error) {
            expect(isVarveError(error, "OCI_INVALID_MANIFEST", "OCI_TOO_LARGE")).toBe(true);
          }
        }
      }),
    );
  });
});

describe("parseIndex", () => {
  it("reads an index, a manifest list, and a layout's index without a media type", () => {
    expect(parseIndex(bytes(index), MEDIA_TYPES.ociIndex)).toEqual(index);
    expect(parseIndex(bytes({ ...index, mediaType: MEDIA_TYPES.dockerIndex }), MEDIA_TYPES.dockerIndex).manifests).toEqual(index.manifests);
    expect(parseIndex(bytes({ schemaVersion: 2, manifests: [] })).manifests).toEqual([]);
  });

  it.each([
    ["layers", { ...index, layers: [] }],
    ["a config", { ...index, config: {} }],
    ["schema 1 layers", { ...index, fsLayers: [] }],
  ])("refuses %s beside manifests", (_, body) => {
    expect(() => parseIndex(bytes(body))).toThrow(invalid);
  });

  it("stops at 1,000 manifests", () => {
    const of = (count: number): Uint8Array => bytes({ ...index, manifests: Array.from({ length: count }, () => index.manifests[0]) });
    expect(parseIndex(of(1000)).manifests).toHaveLength(1000);
    expect(() => parseIndex(of(1001))).toThrow(expect.objectContaining({ code: "OCI_TOO_LARGE" }));
  });
});

describe("parseImageConfig", () => {
  const config = {
    created: "2024-01-01T00:00:00Z",
    architecture: "amd64",
    os: "linux",
    "moby.buildkit.buildinfo.v1": "e30=",
    config: { Env: ["A=1"], Entrypoint: null, Cmd: ["sh"], OnBuild: null, Labels: { __proto__x: "1" }, Strange: { deep: [1] } },
    rootfs: { type: "layers", diff_ids: [digest] },
    history: [{ created_by: "x", empty_layer: true }],
  };

  it("keeps unknown members at every level through a round trip", () => {
    expect(parseImageConfig(canonicalJson(parseImageConfig(bytes(config))))).toEqual(config);
  });

  it("reads null as absent, but for commands and triggers", () => {
    const { config: runtime } = parseImageConfig(bytes({ ...config, config: { ...config.config, Volumes: null, Env: null, Labels: null, Cmd: null } }));
    expect(runtime).toEqual({ Entrypoint: null, Cmd: null, OnBuild: null, Strange: { deep: [1] } });
  });

  it("reads a command that is one text", () => {
    expect(parseImageConfig(bytes({ ...config, config: { Cmd: "sh" } })).config?.Cmd).toEqual(["sh"]);
  });

  it.each([
    ["no rootfs", { ...config, rootfs: undefined }],
    ["a diffID that is none", { ...config, rootfs: { type: "layers", diff_ids: ["x"] } }],
    ["Env that is a text", { ...config, config: { Env: "A=1" } }],
    ["Labels that are numbers", { ...config, config: { Labels: { a: 1 } } }],
    ["a config that is an array", { ...config, config: [] }],
    ["a history that is an object", { ...config, history: {} }],
  ])("refuses %s", (_, body) => {
    expect(() => parseImageConfig(bytes(body))).toThrow(invalid);
  });
});
