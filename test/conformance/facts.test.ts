import { mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { readTar, sha256Hex } from "@varve/archive";
import { build, type BuildOptions } from "@varve/build";
import { displayPath, streamOf } from "@varve/bytes";
import { createLayer, openImage, storeImage, storeIndex, writeOciLayout } from "@varve/image";
import { diffTrees, EMPTY_TREE } from "@varve/layer";
import { type Descriptor, digestHex, type Platform } from "@varve/oci";
import { openStore, type Store } from "@varve/store";
import { afterAll, beforeAll, expect, test } from "vitest";

// facts about layers, caches, times and platforms, which the listings of fixtures/builds can't show; numbers are those of the project's list
let root: string;
let store: Store;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "varve-facts-"));
  store = await openStore({ root: join(root, "store") });
  mkdirSync(join(root, "context"));
});
afterAll(async () => {
  await store[Symbol.asyncDispose]();
  rmSync(root, { recursive: true, force: true });
});

function put(path: string, text: string, time: number): void {
  writeFileSync(join(root, "context", path), text);
  utimesSync(join(root, "context", path), time, time);
}

async function run(
  dockerfile: string,
  options: Partial<BuildOptions> = {},
): Promise<{ readonly cached: number; readonly image: Awaited<ReturnType<typeof openImage>> }> {
  const { descriptor, steps } = await build({ context: join(root, "context"), dockerfile, home: join(root, "store"), ...options });
  return { cached: steps.cached, image: await openImage(store, descriptor) };
}

test("32, 66: a touched file is a hit and the layer keeps the old time; another mode, name or content is a miss", async () => {
  put("a", "A", 1_700_000_000);
  const first = await run("FROM scratch\nCOPY a /x");
  put("a", "A", 1_600_000_000);
  const second = await run("FROM scratch\nCOPY a /x");
  expect([second.cached, second.image.layers[0]?.diffID]).toEqual([1, first.image.layers[0]?.diffID]);
  put("b", "A", 1_700_000_000);
  put("a", "other", 1_700_000_000);
  expect([(await run("FROM scratch\nCOPY a /x")).cached, (await run("FROM scratch\nCOPY b /x/")).cached]).toEqual([0, 0]);
});

test("49: an epoch is the time of every line above the base and of the image; the base's lines stay", async () => {
  const base = await baseOf({ os: "linux", architecture: "amd64" });
  await store.tag(base, "docker.io/library/dated:latest");
  const { image } = await run("FROM dated\nENV a=b\nCOPY a /x", { sourceDateEpoch: 1_500_000_000 });
  expect(image.config.created).toBe("2017-07-14T02:40:00Z");
  expect(image.config.history?.map(({ created }) => created)).toEqual(["2020-01-02T03:04:05Z", "2017-07-14T02:40:00Z", "2017-07-14T02:40:00Z"]);
});

test("54, 55: times in whole seconds, names in order with parents first, no user names; gzip without a time", async () => {
  put("z", "Z", 1_700_000_000.75);
  const { image } = await run("FROM scratch\nCOPY z /d/e/z\nCOPY z a /", { noCache: true });
  const [, second] = image.layers;
  if (second === undefined) throw new Error("two layers were made");
  const blob = readFileSync(join(root, "store", "blobs", "sha256", digestHex(second.descriptor.digest)));
  expect([...blob.subarray(0, 4), ...blob.subarray(4, 8)]).toEqual([0x1f, 0x8b, 8, 0, 0, 0, 0, 0]);
  const tar = gunzipSync(blob);
  expect(second.diffID).toBe(`sha256:${sha256Hex(tar)}`);
  const found: unknown[] = [];
  for await (const { header } of readTar(streamOf(tar))) found.push([displayPath(header.name), header.mtime, header.userName, header.groupName]);
  expect(found).toEqual([
    ["a", 1_700_000_000, "", ""],
    ["z", 1_700_000_000, "", ""],
  ]);
});

test.each([
  ["linux/x86_64", "amd64", "amd64"],
  ["linux/amd64/v1", "amd64", "amd64"],
  ["linux/amd64/v3", "amd64", "amd64/v3"],
  ["linux/arm", "arm/v7", "arm/v7"],
  ["linux/armhf", "arm/v7", "arm/v7"],
  ["linux/arm/v6", "arm/v6", "arm/v6"],
  ["linux/aarch64", "arm/v7", "arm64"],
  ["linux/arm64/v8", "arm/v7", "arm64"],
])("56, 57: %s takes the base of %s and is %s", async (platform, taken, named) => {
  const layout = join(root, "platforms");
  const platforms: Platform[] = [
    { os: "linux", architecture: "amd64" },
    { os: "linux", architecture: "arm", variant: "v6" },
    { os: "linux", architecture: "arm", variant: "v7" },
  ];
  const images: { readonly descriptor: Descriptor; readonly platform: Platform }[] = [];
  for (const one of platforms) images.push({ descriptor: await baseOf(one), platform: one });
  images.unshift({ descriptor: await baseOf({ os: "unknown", architecture: "unknown" }), platform: { os: "unknown", architecture: "unknown" } });
  await writeOciLayout(store, [{ descriptor: await storeIndex(store, images), names: ["base:1"] }], layout);
  const { image } = await run("FROM base\nENV x=y", { platforms: [platform], buildContexts: { base: `oci-layout://${layout}` } });
  const { architecture, variant } = image.config;
  expect([image.config.config?.Labels?.["is"], [architecture, ...(variant === undefined ? [] : [variant])].join("/")]).toEqual([taken, named]);
});

/** An image of an empty layer whose label says what platform it is for. */
async function baseOf(platform: Platform): Promise<Descriptor> {
  const { os, architecture, variant } = platform;
  const nothing = { open: () => Promise.reject(new TypeError("no contents")), digest: () => Promise.reject(new TypeError("no contents")) };
  const made = await createLayer(store, diffTrees(EMPTY_TREE, EMPTY_TREE), nothing, {});
  return storeImage(store, {
    config: {
      os,
      architecture,
      ...(variant === undefined ? {} : { variant }),
      created: "2020-01-02T03:04:05Z",
      config: { Labels: { is: [architecture, ...(variant === undefined ? [] : [variant])].join("/") } },
      rootfs: { type: "layers", diff_ids: [made.diffID] },
      history: [{ created: "2020-01-02T03:04:05Z", created_by: "base" }],
    },
    layers: [await made.blob],
  });
}
