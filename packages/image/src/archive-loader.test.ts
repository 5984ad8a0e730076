import { execFileSync } from "node:child_process";
import { createReadStream } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { type BytePath, streamOf } from "@varve/bytes";
import { createTreeBuilder, diffTrees, EMPTY_TREE, type NewEntry } from "@varve/layer";
import { type Descriptor, digestFromHex, type ImageConfig } from "@varve/oci";
import { openStore, type Store } from "@varve/store";
import { describeWithTools } from "@varve/testkit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadArchive } from "./archive-loader.ts";
import { writeDockerArchive, writeOciArchive } from "./archive-writer.ts";
import { openImage } from "./image-opener.ts";
import { storeImage, storeIndex } from "./image-writer.ts";
import { imageTree } from "./layer-index-store.ts";
import { createLayer } from "./layer-writer.ts";
import { writeOciLayout } from "./oci-layout-writer.ts";

let directory: string;
let store: Store;
let other: Store;

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "varve-load-"));
  store = await openStore({ root: path.join(directory, "store") });
  other = await openStore({ root: path.join(directory, "other") });
});

afterEach(async () => {
  await store[Symbol.asyncDispose]();
  await other[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

const NAME = "docker.io/library/app:v1";
const base = { mode: 0o644, uid: 0, gid: 0, mtime: 1_600_000_000, size: 0 } as const;

/** An image of one layer that holds a file, a directory, a symlink, a hardlink and a name that is no UTF-8; in `store`. */
async function sampleImage(): Promise<Descriptor> {
  const builder = createTreeBuilder();
  const bytes = new TextEncoder().encode("hello\n");
  const entries: readonly NewEntry[] = [
    { ...base, path: "bin" as BytePath, type: "directory", mode: 0o755 },
    { ...base, path: "bin/hello" as BytePath, type: "file", mode: 0o4755, uid: 7, gid: 8, size: 6, content: { kind: "bytes", bytes, size: 6 } },
    { ...base, path: "caf\xe9" as BytePath, type: "symlink", mode: 0o777, linkTarget: "bin/hello" as BytePath },
  ];
  for (const entry of entries) builder.set(entry);
  builder.link("bin/twin" as BytePath, "bin/hello" as BytePath);
  const layer = await createLayer(store, diffTrees(EMPTY_TREE, builder.finish()), {
    open: async (ref) => streamOf(ref.kind === "bytes" ? ref.bytes : new Uint8Array(0)),
    digest: () => Promise.reject(new Error("not asked for")),
  });
  const config: ImageConfig = { architecture: "amd64", os: "linux", config: { Cmd: ["/bin/hello"] }, rootfs: { type: "layers", diff_ids: [layer.diffID] } };
  return storeImage(store, { config, layers: [await layer.blob] });
}

/** What was loaded into `other` is the image of `store`: config to the byte, files one by one. */
async function expectSame(loaded: Descriptor, original: Descriptor): Promise<void> {
  const [a, b] = [await openImage(other, loaded), await openImage(store, original)];
  expect(a.configDigest).toBe(b.configDigest);
  const files = async (of: Store, image: typeof a) => [...(await imageTree(of, image)).walk()].map(({ node: _, ...entry }) => entry);
  expect(await files(other, a)).toEqual(await files(store, b));
}

describe("loadArchive", () => {
  it.each([
    ["oci-archive", writeOciArchive],
    ["docker-archive", writeDockerArchive],
  ])("takes its own %s, plain, compressed and as a stream", async (_, write) => {
    const descriptor = await sampleImage();
    const file = path.join(directory, "a.tar");
    await write(store, [{ descriptor, names: [NAME] }], file);
    const packed = path.join(directory, "a.tar.gz");
    await writeFile(packed, gzipSync(await readFile(file)));
    for (const input of [file, packed, createReadStream(file), createReadStream(packed)]) {
      expect(await loadArchive(other, input)).toEqual([{ descriptor, names: [NAME] }]);
    }
    await expectSame(descriptor, descriptor);
  });

  it("takes a layout directory", async () => {
    const descriptor = await sampleImage();
    const layout = path.join(directory, "layout");
    await writeOciLayout(store, [{ descriptor, names: [NAME, "docker.io/library/app:v2"] }], layout);
    expect(await loadArchive(other, layout)).toEqual([{ descriptor, names: [NAME, "docker.io/library/app:v2"] }]);
    await expectSame(descriptor, descriptor);
  });

  it("takes docker-archives of old: layers uncompressed, shared by symlink, named by folder", async () => {
    const descriptor = await sampleImage();
    const image = await openImage(store, descriptor);
    const folder = path.join(directory, "old");
    await mkdir(path.join(folder, "aaa"), { recursive: true });
    await mkdir(path.join(folder, "bbb"));
    const blob = await readFile(path.join(store.root, "blobs", "sha256", (image.layers[0]?.descriptor.digest ?? "").slice(7)));
    await writeFile(path.join(folder, "aaa", "layer.tar"), execFileSync("gzip", ["-dc"], { input: blob }));
    await symlink("../aaa/layer.tar", path.join(folder, "bbb", "layer.tar"));
    await writeFile(path.join(folder, "config.json"), await readFile(path.join(store.root, "blobs", "sha256", image.configDigest.slice(7))));
    const row = (id: string, tag: string | null) => ({ Config: "config.json", RepoTags: tag === null ? null : [tag], Layers: [`${id}/layer.tar`] });
    await writeFile(path.join(folder, "manifest.json"), JSON.stringify([row("aaa", "app:v1"), row("bbb", null)]));
    const file = path.join(directory, "old.tar");
    execFileSync("tar", ["-cf", file, "-C", folder, "."]);
    const loaded = await loadArchive(other, file);
    expect(loaded.map(({ names }) => names)).toEqual([[NAME], []]);
    for (const each of loaded) await expectSame(each.descriptor, descriptor);
  });

  it("takes what is there of an index that was saved in part", async () => {
    const here = await sampleImage();
    const image = await openImage(store, here);
    const second = await storeImage(store, { config: { ...image.config, architecture: "arm64" }, layers: image.manifest.layers });
    const absent = await storeImage(store, { config: { ...image.config, architecture: "s390x" }, layers: image.manifest.layers });
    const platform = (architecture: string) => ({ os: "linux", architecture });
    const root = await storeIndex(store, [
      { descriptor: here, platform: platform("amd64") },
      { descriptor: second, platform: platform("arm64") },
      { descriptor: absent, platform: platform("s390x") },
    ]);
    const layout = path.join(directory, "layout");
    await writeOciLayout(store, [{ descriptor: root, names: [NAME] }], layout);
    const remove = (descriptor: Descriptor) => rm(path.join(layout, "blobs", "sha256", descriptor.digest.slice(7)));
    await remove(absent);
    const [both] = await loadArchive(other, layout);
    const of = async (architecture: string) => (await openImage(other, both?.descriptor ?? root, { platform: platform(architecture) })).descriptor;
    expect(both?.names).toEqual([NAME]);
    expect(await of("amd64")).toEqual(here);
    expect(await of("arm64")).toEqual(second);
    await remove(second);
    expect(await loadArchive(other, layout)).toEqual([{ descriptor: here, names: [NAME] }]);
    await remove(here);
    await expect(loadArchive(other, layout)).rejects.toMatchObject({ code: "IMAGE_INVALID_ARCHIVE" });
  });

  it.each([
    ["no tar", async (file: string) => writeFile(file, "this is text, and quite a bit of it ".repeat(40))],
    ["an empty file", async (file: string) => writeFile(file, "")],
    ["a root filesystem", async (file: string) => void execFileSync("tar", ["-cf", file, "-C", "/etc", "hostname"])],
    [
      "a truncated archive",
      async (file: string) => {
        await writeOciArchive(store, [{ descriptor: await sampleImage(), names: [] }], file);
        await writeFile(file, (await readFile(file)).subarray(0, 3000));
      },
    ],
    ["nothing at all", async () => {}],
  ])("refuses %s", async (_, write) => {
    const file = path.join(directory, "bad.tar");
    await write(file);
    await expect(loadArchive(other, file)).rejects.toMatchObject({ code: "IMAGE_INVALID_ARCHIVE" });
    expect(await other.refs()).toEqual([]);
  });

  it("refuses blobs and layers that are not what they are called", async () => {
    const descriptor = await sampleImage();
    const image = await openImage(store, descriptor);
    const layout = path.join(directory, "layout");
    await writeOciLayout(store, [{ descriptor, names: [] }], layout);
    const blob = path.join(layout, "blobs", "sha256", (image.layers[0]?.descriptor.digest ?? "").slice(7));
    const bytes = await readFile(blob);
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    await writeFile(blob, bytes);
    await expect(loadArchive(other, layout)).rejects.toMatchObject({ code: "IMAGE_LAYER_MISMATCH" });
    await rm(path.join(layout, "index.json"));
    const lie = { architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [digestFromHex("0".repeat(64))] } };
    await writeFile(path.join(layout, "config.json"), JSON.stringify(lie));
    await writeFile(path.join(layout, "layer.tar"), new Uint8Array(10240));
    await writeFile(path.join(layout, "manifest.json"), JSON.stringify([{ Config: "config.json", Layers: ["layer.tar"] }]));
    await expect(loadArchive(other, layout)).rejects.toMatchObject({ code: "IMAGE_LAYER_MISMATCH" });
  });
});

describeWithTools(["skopeo"], "archives skopeo writes", () => {
  it.each(["docker-archive", "oci-archive"])("%s", async (kind) => {
    const descriptor = await sampleImage();
    const layout = path.join(directory, "layout");
    await writeOciLayout(store, [{ descriptor, names: [NAME] }], layout);
    const file = path.join(directory, "skopeo.tar");
    execFileSync("skopeo", ["copy", "--insecure-policy", `oci:${layout}:v1`, `${kind}:${file}:docker.io/library/app:v1`], { stdio: "pipe" });
    const [loaded] = await loadArchive(other, file);
    expect(loaded?.names).toEqual([NAME]);
    if (loaded !== undefined) await expectSame(loaded.descriptor, descriptor);
  });
});

describeWithTools(["umoci", "skopeo"], "a layer varve wrote", () => {
  it("is unpacked by umoci as it was meant", async () => {
    const descriptor = await sampleImage();
    const layout = path.join(directory, "layout");
    await writeOciLayout(store, [{ descriptor, names: [NAME] }], layout);
    expect(JSON.parse(execFileSync("skopeo", ["inspect", `oci:${layout}:v1`], { encoding: "utf8" }))).toMatchObject({ Digest: descriptor.digest });
    const bundle = path.join(directory, "bundle");
    const root = process.getuid?.() === 0;
    execFileSync("umoci", ["unpack", ...(root ? [] : ["--rootless"]), "--image", `${layout}:v1`, bundle], { stdio: "pipe" });
    const listing = execFileSync("find", [".", "-mindepth", "1", "-printf", "%P %y %m %U:%G %n %l\n"], {
      cwd: path.join(bundle, "rootfs"),
      encoding: "latin1",
    });
    const owner = root ? "7:8" : `${process.getuid?.()}:${process.getgid?.()}`;
    const top = root ? "0:0" : owner;
    expect(
      listing
        .trim()
        .split("\n")
        .map((line) => line.trim())
        .toSorted(),
    ).toEqual([`bin d 755 ${top} 2`, `bin/hello f 4755 ${owner} 2`, `bin/twin f 4755 ${owner} 2`, `caf\xe9 l 777 ${top} 1 bin/hello`]);
  });
});
