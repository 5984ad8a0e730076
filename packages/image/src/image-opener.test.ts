import { sha256Hex } from "@varve/archive";
import { streamOf } from "@varve/bytes";
import { canonicalJson, type Descriptor, digestFromHex, type Digest, type Fetcher, MEDIA_TYPES, parsePlatform, type Platform } from "@varve/oci";
import { describe, expect, it } from "vitest";
import { openImage } from "./image-opener.ts";

function memory(): Fetcher & { add(mediaType: string, value: unknown): Descriptor } {
  const content = new Map<Digest, Uint8Array>();
  return {
    add(mediaType, value) {
      const bytes = canonicalJson(value);
      const digest = digestFromHex(sha256Hex(bytes));
      content.set(digest, bytes);
      return { mediaType, digest, size: bytes.length };
    },
    async fetch(descriptor) {
      const bytes = content.get(descriptor.digest);
      if (bytes === undefined) throw new Error(`no ${descriptor.digest}`);
      return streamOf(bytes);
    },
  };
}

const diffID = `sha256:${"d".repeat(64)}`;
const layer = { mediaType: MEDIA_TYPES.ociLayerGzip, digest: `sha256:${"1".repeat(64)}`, size: 3 };

function imageOf(
  source: ReturnType<typeof memory>,
  platform: Platform,
  options: { diffIDs?: readonly string[]; layer?: unknown; configType?: string; docker?: boolean } = {},
): Descriptor {
  const { docker = false } = options;
  const config = source.add(options.configType ?? (docker ? MEDIA_TYPES.dockerConfig : MEDIA_TYPES.ociConfig), {
    ...platform,
    rootfs: { type: "layers", diff_ids: options.diffIDs ?? [diffID] },
  });
  const mediaType = docker ? MEDIA_TYPES.dockerManifest : MEDIA_TYPES.ociManifest;
  return { ...source.add(mediaType, { schemaVersion: 2, mediaType, config, layers: [options.layer ?? layer] }), platform };
}

const indexOf = (source: ReturnType<typeof memory>, manifests: readonly Descriptor[]): Descriptor =>
  source.add(MEDIA_TYPES.ociIndex, { schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests });

describe("openImage", () => {
  it("opens a manifest, whatever its platform", async () => {
    const source = memory();
    const descriptor = imageOf(source, parsePlatform("linux/s390x"));
    const image = await openImage(source, descriptor, { platform: parsePlatform("linux/amd64") });
    expect(image.config.architecture).toBe("s390x");
    expect(image.layers.map((each) => [each.descriptor.digest, each.diffID])).toEqual([[layer.digest, diffID]]);
    expect(image.descriptor).toEqual({ mediaType: descriptor.mediaType, digest: descriptor.digest, size: descriptor.size });
  });

  it("follows indexes to the platform", async () => {
    const source = memory();
    const images = ["linux/amd64", "linux/arm64", "linux/arm/v7"].map((text) => imageOf(source, parsePlatform(text), { docker: true }));
    const root = indexOf(source, [indexOf(source, images)]);
    const image = await openImage(source, root, { platform: parsePlatform("linux/arm/v7") });
    expect(image.config.variant).toBe("v7");
    await expect(openImage(source, root, { platform: parsePlatform("linux/s390x") })).rejects.toMatchObject({ code: "OCI_NO_MATCHING_PLATFORM" });
  });

  it("takes the only image of an index when no platform is asked for", async () => {
    const source = memory();
    const attestation = { ...imageOf(source, { os: "unknown", architecture: "unknown" }), platform: { os: "unknown", architecture: "unknown" } };
    const root = indexOf(source, [attestation, imageOf(source, parsePlatform("linux/s390x"))]);
    expect((await openImage(source, root)).config.architecture).toBe("s390x");
  });

  it("refuses indexes nested too deep", async () => {
    const source = memory();
    let root = imageOf(source, parsePlatform("linux/amd64"));
    for (let i = 0; i < 4; i++) root = indexOf(source, [root]);
    await expect(openImage(source, root)).rejects.toMatchObject({ code: "IMAGE_TOO_NESTED" });
  });

  it.each([
    ["an artifact", { configType: "application/vnd.example+json" }, "IMAGE_NOT_AN_IMAGE"],
    ["fewer diffIDs than layers", { diffIDs: [] }, "OCI_INVALID_MANIFEST"],
    ["a layer that is no tar", { layer: { ...layer, mediaType: "application/wasm" } }, "IMAGE_UNSUPPORTED_LAYER"],
  ])("refuses %s", async (_, options, code) => {
    const source = memory();
    await expect(openImage(source, imageOf(source, parsePlatform("linux/amd64"), options))).rejects.toMatchObject({ code });
  });

  it("refuses a manifest whose body is of another type than its descriptor says", async () => {
    const source = memory();
    const descriptor = imageOf(source, parsePlatform("linux/amd64"));
    await expect(openImage(source, { ...descriptor, mediaType: MEDIA_TYPES.dockerManifest })).rejects.toMatchObject({ code: "OCI_INVALID_MANIFEST" });
    await expect(openImage(source, { ...descriptor, mediaType: MEDIA_TYPES.ociIndex })).rejects.toMatchObject({ code: "OCI_INVALID_MANIFEST" });
    await expect(openImage(source, { ...descriptor, mediaType: "text/plain" })).rejects.toMatchObject({ code: "IMAGE_NOT_AN_IMAGE" });
  });

  it("does not fetch a document of more than 4 MiB", async () => {
    const descriptor = imageOf(memory(), parsePlatform("linux/amd64"));
    const never: Fetcher = { fetch: () => Promise.reject(new Error("fetched")) };
    await expect(openImage(never, { ...descriptor, size: 4 * 1024 * 1024 + 1 })).rejects.toMatchObject({ code: "OCI_TOO_LARGE" });
  });
});
