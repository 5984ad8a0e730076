import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { compressPiece, createCodec, encodeTarHeader, sha256Hex, TAR_END, tarPadding } from "@varve/archive";
import { type BytePath, concatBytes, streamOf } from "@varve/bytes";
import { type Descriptor, digestFromHex, type DiffID, type ImageConfig, MEDIA_TYPES, parseIndex } from "@varve/oci";
import { openStore, type Store } from "@varve/store";
import { describeWithTools, PLAIN_TAR_HEADER } from "@varve/testkit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { writeDockerArchive, writeOciArchive } from "./archive-writer.ts";
import { openImage } from "./image-opener.ts";
import { storeImage } from "./image-writer.ts";
import { writeOciLayout } from "./oci-layout-writer.ts";

let directory: string;
let store: Store;

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "varve-archive-"));
  store = await openStore({ root: path.join(directory, "store") });
});

afterEach(async () => {
  await store[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

/** A layer with one file, stored; hand-made, so that these tests don't rest on the layer writer. */
async function layerOf(name: string, text: string): Promise<{ diffID: DiffID; descriptor: Descriptor }> {
  const content = new TextEncoder().encode(text);
  const header = encodeTarHeader({ ...PLAIN_TAR_HEADER, name: name as BytePath, size: content.length, mtime: 1_700_000_000 });
  const tar = concatBytes([header, content, tarPadding(content.length), TAR_END]);
  const blob = await compressPiece(createCodec("gzip"), tar);
  const descriptor = { mediaType: MEDIA_TYPES.ociLayerGzip, digest: digestFromHex(sha256Hex(blob)), size: blob.length };
  await store.push(descriptor, async () => streamOf(blob));
  return { diffID: digestFromHex(sha256Hex(tar)) as string as DiffID, descriptor };
}

async function sampleImage(): Promise<Descriptor> {
  const layers = [await layerOf("hello", "hello\n"), await layerOf("world", "x".repeat(100_000))];
  const config: ImageConfig = {
    architecture: "amd64",
    os: "linux",
    config: { Cmd: ["/hello"], Env: ["A=1"] },
    rootfs: { type: "layers", diff_ids: layers.map((layer) => layer.diffID) },
  };
  return storeImage(store, { config, layers: layers.map((layer) => layer.descriptor) });
}

const NAMES = ["docker.io/library/app:v1", "registry.example:5000/team/app:latest"];

describe("archives", () => {
  it("are equal for equal images", async () => {
    const descriptor = await sampleImage();
    for (const write of [writeOciArchive, writeDockerArchive]) {
      const files = [path.join(directory, "a.tar"), path.join(directory, "b.tar")] as const;
      for (const file of files) await write(store, [{ descriptor, names: NAMES }], file);
      expect((await readFile(files[0])).equals(await readFile(files[1]))).toBe(true);
    }
  });

  it("reach a sink that is a function", async () => {
    const pieces: Uint8Array[] = [];
    await writeOciArchive(store, [{ descriptor: await sampleImage(), names: [] }], async (stream) => {
      for await (const piece of stream) pieces.push(piece);
    });
    expect(concatBytes(pieces).length % 512).toBe(0);
  });

  it("leave the old file when they fail", async () => {
    const file = path.join(directory, "a.tar");
    await writeFile(file, "old");
    const descriptor = await sampleImage();
    const image = await openImage(store, descriptor);
    await rm(path.join(store.root, "blobs", "sha256", (image.manifest.layers[0]?.digest ?? "").slice(7)));
    await expect(writeOciArchive(store, [{ descriptor, names: [] }], file)).rejects.toMatchObject({ code: "STORE_BLOB_NOT_FOUND" });
    expect(await readFile(file, "utf8")).toBe("old");
    expect(execFileSync("ls", ["-A", directory], { encoding: "utf8" })).toBe("a.tar\nstore\n");
  });

  it("stop when their sink stops", async () => {
    const descriptor = await sampleImage();
    await expect(
      writeOciArchive(store, [{ descriptor, names: [] }], async (stream) => {
        for await (const _ of stream) throw new Error("pipe closed");
      }),
    ).rejects.toThrow("pipe closed");
  });

  it("refuse a directory as a file", async () => {
    await expect(writeOciArchive(store, [{ descriptor: await sampleImage(), names: [] }], directory)).rejects.toMatchObject({ code: "IMAGE_OUTPUT" });
  });

  it("cannot hold foreign layers in Docker's form", async () => {
    const image = await openImage(store, await sampleImage());
    const layers = image.manifest.layers.map((layer) => ({ ...layer, mediaType: MEDIA_TYPES.dockerForeignLayerGzip, urls: ["https://example.invalid/"] }));
    const descriptor = await storeImage(store, { config: image.config, layers });
    await expect(writeDockerArchive(store, [{ descriptor, names: [] }], path.join(directory, "a.tar"))).rejects.toMatchObject({ code: "IMAGE_OUTPUT" });
  });
});

describe("writeOciLayout", () => {
  it("adds to a layout, and replaces what has the same name", async () => {
    const layout = path.join(directory, "layout");
    const first = await sampleImage();
    const image = await openImage(store, first);
    const second = await storeImage(store, { config: { ...image.config, author: "me" }, layers: image.manifest.layers });
    const index = async () =>
      parseIndex(await readFile(path.join(layout, "index.json"))).manifests.map((entry) => [entry.digest, entry.annotations?.["io.containerd.image.name"]]);
    await writeOciLayout(store, [{ descriptor: first, names: NAMES }], layout);
    expect(await index()).toEqual([
      [first.digest, NAMES[0]],
      [first.digest, NAMES[1]],
    ]);
    await writeOciLayout(store, [{ descriptor: second, names: [NAMES[0] ?? ""] }], layout);
    expect(await index()).toEqual([
      [first.digest, NAMES[1]],
      [second.digest, NAMES[0]],
    ]);
  });

  it("refuses a directory that holds something else by that name", async () => {
    const layout = path.join(directory, "file");
    await writeFile(layout, "");
    await expect(writeOciLayout(store, [{ descriptor: await sampleImage(), names: [] }], layout)).rejects.toMatchObject({ code: "IMAGE_OUTPUT" });
  });
});

describeWithTools(["skopeo", "umoci"], "real readers", () => {
  const run = (tool: string, ...args: readonly string[]): string => execFileSync(tool, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

  it("read the layout", async () => {
    const layout = path.join(directory, "layout");
    const descriptor = await sampleImage();
    await writeOciLayout(store, [{ descriptor, names: ["docker.io/library/app:v1"] }], layout);
    expect(JSON.parse(run("skopeo", "inspect", `oci:${layout}:v1`))).toMatchObject({ Digest: descriptor.digest, Env: ["A=1"], Architecture: "amd64" });
    const bundle = path.join(directory, "bundle");
    run("umoci", "unpack", "--rootless", "--image", `${layout}:v1`, bundle);
    expect(await readFile(path.join(bundle, "rootfs", "hello"), "utf8")).toBe("hello\n");
  });

  it("read the oci-archive", async () => {
    const file = path.join(directory, "a.tar");
    const descriptor = await sampleImage();
    await writeOciArchive(store, [{ descriptor, names: [] }], file);
    expect(JSON.parse(run("skopeo", "inspect", `oci-archive:${file}`))).toMatchObject({ Digest: descriptor.digest });
  });

  it("read the docker-archive, every name of it", async () => {
    const file = path.join(directory, "a.tar");
    const descriptor = await sampleImage();
    await writeDockerArchive(store, [{ descriptor, names: NAMES }], file);
    const image = await openImage(store, descriptor);
    for (const name of NAMES) {
      const copy = path.join(directory, `copy-${NAMES.indexOf(name)}`);
      run("skopeo", "copy", "--insecure-policy", `docker-archive:${file}:${name}`, `oci:${copy}:x`);
      const config = JSON.parse(run("skopeo", "inspect", "--config", "--raw", `oci:${copy}:x`)) as ImageConfig;
      expect(config.rootfs).toEqual(image.config.rootfs);
      expect(config.config?.Env).toEqual(["A=1"]);
    }
    expect(JSON.parse(run("skopeo", "inspect", `oci-archive:${file}:latest`))).toMatchObject({ Digest: descriptor.digest });
  });
});
