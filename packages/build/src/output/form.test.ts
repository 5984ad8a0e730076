import { createReadStream } from "node:fs";
import { mkdir, mkdtemp, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readTar } from "@varve/archive";
import { collectBytes } from "@varve/bytes";
import { isVarveError } from "@varve/errors";
import { imageTree, openImage } from "@varve/image";
import { type Descriptor, type ImageConfig, type Manifest, MEDIA_TYPES, parseImageConfig, parseManifest } from "@varve/oci";
import { openStore } from "@varve/store";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { build } from "../build.ts";
import type { BuildOptions, BuildResult, ImageForm } from "../build-options.ts";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "varve-form-"));
  await mkdir(join(root, "context"));
  await writeFile(join(root, "context/a"), "alpha");
});
afterEach(() => rm(root, { recursive: true, force: true }));

const runTimed = (dockerfile: string, options: Partial<BuildOptions> = {}, home = "home"): Promise<BuildResult> =>
  build({ context: join(root, "context"), dockerfile, home: join(root, home), ...options });
const run: typeof runTimed = (dockerfile, options, home) => runTimed(dockerfile, { sourceDateEpoch: 1_700_000_000, ...options }, home);
const image = (form: ImageForm, ...names: string[]): Partial<BuildOptions> => ({ outputs: [{ type: "image", names, push: false, form }] });

async function read(descriptor: Descriptor, home = "home"): Promise<Uint8Array> {
  await using store = await openStore({ root: join(root, home) });
  return await collectBytes(await store.fetch(descriptor), 1e6, () => new Error("too large"));
}

const manifestOf = async (result: BuildResult, home?: string): Promise<Manifest> =>
  parseManifest(await read(result.descriptor, home), result.descriptor.mediaType);
const configOf = async (result: BuildResult, home?: string): Promise<ImageConfig> =>
  parseImageConfig(await read((await manifestOf(result, home)).config, home));

async function layersOf(result: BuildResult): Promise<readonly string[]> {
  const { layers, mediaType, config } = await manifestOf(result);
  expect(mediaType).toBe(result.descriptor.mediaType);
  expect(config.mediaType).toBe(mediaType === MEDIA_TYPES.ociManifest ? MEDIA_TYPES.ociConfig : MEDIA_TYPES.dockerConfig);
  return layers.map((layer) => layer.mediaType);
}

describe("compression", () => {
  const { ociLayer, ociLayerGzip } = MEDIA_TYPES;

  test("of layers made here; a base's keep theirs, unless forced", async () => {
    await run("FROM scratch\nCOPY a /base", image({}, "base:1"));
    const dockerfile = "FROM base:1\nCOPY a /a";
    expect(await layersOf(await run(dockerfile, image({ compression: "uncompressed" })))).toEqual([ociLayerGzip, ociLayer]);
    expect(await layersOf(await run(dockerfile, image({ compression: "uncompressed", forceCompression: true })))).toEqual([ociLayer, ociLayer]);
  });

  test("estargz layers have annotations and diffIDs of their own", async () => {
    await run("FROM scratch\nCOPY a /base", image({}, "base:1"));
    const dockerfile = "FROM base:1\nCOPY a /a";
    const plain = await configOf(await run(dockerfile));
    const result = await run(dockerfile, image({ compression: "estargz" }));
    const { layers } = await manifestOf(result);
    expect(layers.map((layer) => Object.keys(layer.annotations ?? {}))).toEqual([
      [],
      ["containerd.io/snapshot/stargz/toc.digest", "io.containers.estargz.uncompressed-size"],
    ]);
    const config = await configOf(result);
    expect(config.rootfs.diff_ids[0]).toBe(plain.rootfs.diff_ids[0]);
    expect(config.rootfs.diff_ids[1]).not.toBe(plain.rootfs.diff_ids[1]);
    await using store = await openStore({ root: join(root, "home") });
    const tree = await imageTree(store, await openImage(store, result.descriptor));
    expect([...tree.walk()].map((entry) => entry.path).filter((path) => path !== "")).toEqual([".no.prefetch.landmark", "a", "base", "stargz.index.json"]);
  });

  test("an estargz base stays as it is, annotations too", async () => {
    const base = await manifestOf(await run("FROM scratch\nCOPY a /base", image({ compression: "estargz" }, "base:1")));
    for (const form of [{ compression: "estargz", forceCompression: true }, {}] as const) {
      expect((await manifestOf(await run("FROM base:1\nCOPY a /a", image(form)))).layers[0]).toEqual(base.layers[0]);
    }
  });

  test("what was converted is remembered while the store has it", async () => {
    const estargz = image({ compression: "estargz" });
    const first = await run("FROM scratch\nCOPY a /a", estargz);
    const [layer] = (await manifestOf(first)).layers;
    const blob = join(root, "home/blobs/sha256", layer?.digest.slice("sha256:".length) ?? "");
    const made = await stat(blob);
    expect((await run("FROM scratch\nCOPY a /a", estargz)).descriptor).toEqual(first.descriptor);
    expect((await stat(blob)).ino).toBe(made.ino);
    await rm(blob);
    expect((await run("FROM scratch\nCOPY a /a", estargz)).descriptor).toEqual(first.descriptor);
    expect((await stat(blob)).size).toBe(made.size);
  });

  test("from cache gives what a first build gives", async () => {
    const dockerfile = "FROM scratch\nCOPY a /a\nCOPY a /b";
    await run(dockerfile);
    for (const form of [{ compression: "uncompressed" }, { compressionLevel: 1 }, { compression: "estargz" }, { portable: true }, {}] as const) {
      const warm = await run(dockerfile, image(form));
      expect(warm.steps).toEqual({ total: 2, cached: 2 });
      expect(warm.descriptor).toEqual((await run(dockerfile, image(form), `cold ${JSON.stringify(form)}`)).descriptor);
    }
  });

  test("each output its own; the result is the first image's", async () => {
    const dest = join(root, "layout");
    const result = await run("FROM scratch\nCOPY a /a", {
      outputs: [
        { type: "local", dest: join(root, "out") },
        { type: "oci", dest, tar: false, names: ["x"], form: { compression: "uncompressed" } },
        { type: "image", names: ["y:1"], push: false },
      ],
    });
    expect(await layersOf(result)).toEqual([ociLayer]);
    await using store = await openStore({ root: join(root, "home") });
    expect((await store.resolve("docker.io/library/y:1")).digest).not.toBe(result.descriptor.digest);
  });

  test("Docker's media types", async () => {
    expect(await layersOf(await run("FROM scratch\nCOPY a /a", image({ ociMediaTypes: false })))).toEqual([MEDIA_TYPES.dockerLayerGzip]);
  });
});

describe("rewrite-timestamp", () => {
  const epoch = 1_500_000_000;
  const rewritten = image({ rewriteTimestamp: true });
  const timesOf = async (result: BuildResult, home = "home"): Promise<Readonly<Record<string, number>>> => {
    await using store = await openStore({ root: join(root, home) });
    const tree = await imageTree(store, await openImage(store, result.descriptor));
    return Object.fromEntries([...tree.walk()].filter((entry) => entry.path !== "").map((entry) => [entry.path, entry.mtime]));
  };

  test("makes later times of the layers made here the epoch; earlier ones and a base's stay, and its history", async () => {
    await writeFile(join(root, "context/old"), "old");
    await utimes(join(root, "context/old"), 5, 5);
    await run("FROM scratch\nCOPY a /base", { ...image({}, "base:1"), sourceDateEpoch: 1_700_000_000 });
    const base = await stat(join(root, "context/a"));
    for (const form of [{ rewriteTimestamp: true }, { rewriteTimestamp: true, compression: "estargz" }] as const) {
      const result = await run("FROM base:1\nWORKDIR /w\nCOPY a old /w/", { ...image(form), sourceDateEpoch: epoch });
      expect(await timesOf(result)).toMatchObject({ base: Math.floor(base.mtimeMs / 1000), w: 946_684_800, "w/a": epoch, "w/old": 5 });
      const { created, history } = await configOf(result);
      expect(created).toBe("2017-07-14T02:40:00Z");
      expect(history?.map((entry) => entry.created)).toEqual(["2023-11-14T22:13:20Z", created, created]);
    }
  });

  test("gives a touched context's image again, from any cache", async () => {
    const dockerfile = "FROM scratch\nCOPY . /all/\nCOPY a /b";
    const options = { ...rewritten, sourceDateEpoch: epoch };
    const first = await run(dockerfile, options);
    await utimes(join(root, "context/a"), 1_600_000_000, 1_600_000_000);
    await utimes(join(root, "context"), 1_600_000_001, 1_600_000_001);
    expect((await run(dockerfile, options)).steps.cached).toBe(2);
    for (const [home, more] of [
      ["home", {}],
      ["cold", {}],
      ["home", { noCache: true }],
    ] as const) {
      expect((await run(dockerfile, { ...options, ...more }, home)).descriptor).toEqual(first.descriptor);
    }
    // the steps' own layers are what they are without it
    expect((await run(dockerfile, { sourceDateEpoch: epoch })).steps.cached).toBe(2);
    expect(await timesOf(await run(dockerfile, { sourceDateEpoch: epoch }))).toMatchObject({ b: 1_600_000_000 });
  });

  test("leaves a layer without later times as it is", async () => {
    await utimes(join(root, "context/a"), 5, 5);
    const plain = await run("FROM scratch\nCOPY a /a", { sourceDateEpoch: epoch });
    expect((await run("FROM scratch\nCOPY a /a", { ...rewritten, sourceDateEpoch: epoch })).descriptor).toEqual(plain.descriptor);
  });

  test("needs an epoch", async () => {
    await expect(runTimed("FROM scratch", rewritten)).rejects.toThrow("rewrite-timestamp needs to know the time to write");
  });

  test("type=local and type=tar give every file the epoch, without being asked", async () => {
    const dest = join(root, "out");
    await utimes(join(root, "context/a"), 5, 5);
    await run("FROM scratch\nCOPY a /d/a", { outputs: [{ type: "local", dest }], sourceDateEpoch: epoch });
    expect((await stat(join(dest, "d/a"))).mtimeMs).toBe(epoch * 1000);
    expect((await stat(join(dest, "d"))).mtimeMs).toBe(epoch * 1000);
    await run("FROM scratch\nCOPY a /d/a", { outputs: [{ type: "tar", dest: join(root, "out.tar") }], sourceDateEpoch: epoch });
    const times: number[] = [];
    for await (const { header } of readTar(createReadStream(join(root, "out.tar")))) times.push(header.mtime);
    expect(times).toEqual([epoch, epoch]);
  });
});

test("directories that WORKDIR makes have the same time whenever they are made", async () => {
  const first = await configOf(await runTimed("FROM scratch\nWORKDIR /a/b"));
  const second = await configOf(await runTimed("FROM scratch\nWORKDIR /a/b", {}, "other"), "other");
  expect(second.rootfs.diff_ids).toEqual(first.rootfs.diff_ids);
});

test.each([
  [{ compressionLevel: 10 }, "ARCHIVE_INVALID_CODEC", "gzip has no compression level 10"],
  [{ compression: "uncompressed", compressionLevel: 1 }, "ARCHIVE_INVALID_CODEC", "uncompressed layers have no compression level, 1 was given"],
  [
    { compression: "zstd", ociMediaTypes: false },
    "BUILD_INVALID_OPTION",
    "zstd layers cannot go with Docker's media types, under which clients do not read them",
  ],
  ...(process.versions["zstd"] === undefined ? [[{ compression: "zstd" }, "ARCHIVE_INVALID_CODEC", "zstd cannot be written here"] as const] : []),
] as const)("%j is refused before anything is built", async (form, code, message) => {
  const begun: string[] = [];
  const failed = await run("FROM scratch\nCOPY a /a", { ...image(form), onProgress: (event) => begun.push(event.type) }).catch((error: unknown) => error);
  expect(isVarveError(failed) ? [failed.code, failed.message] : failed).toEqual([code, message]);
  expect(begun).toEqual([]);
});

test("--push pushes the image that an output names, in its form", async () => {
  const outputs = [{ type: "image", names: [], push: false, form: { compression: "uncompressed" } }] as const;
  await expect(run("FROM scratch\nCOPY a /a", { outputs, push: true })).rejects.toThrow("an image that is pushed needs a name");
});
