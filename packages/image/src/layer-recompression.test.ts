import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { type Codec, createCodec, decompress, sha256Hex } from "@varve/archive";
import { type BytePath, collectBytes, streamOf } from "@varve/bytes";
import { type ContentReader, createTreeBuilder, diffTrees, EMPTY_TREE, type FileTree, mergeLayer } from "@varve/layer";
import { type Descriptor, digestFromHex, MEDIA_TYPES } from "@varve/oci";
import { openStore, type Store } from "@varve/store";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { ImageLayer } from "./image.ts";
import { layerIndex, readStoredIndex } from "./layer-index-store.ts";
import { createLayerReader } from "./layer-reader.ts";
import { recompressLayer } from "./layer-recompression.ts";
import { createLayer, type StoredLayer } from "./layer-writer.ts";

let directory: string;
let store: Store;
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "varve-recompression-"));
  store = await openStore({ root: path.join(directory, "store") });
});
afterEach(async () => {
  await store[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

const collect = (stream: AsyncIterable<Uint8Array>) => collectBytes(stream, 1e9, () => new Error("too large"));
const reader: ContentReader = {
  open: async (ref) => streamOf(ref.kind === "bytes" ? ref.bytes : new Uint8Array(0)),
  digest: () => Promise.reject(new Error("not asked for")),
};

/** Its first segment ends within a large file, whose second begins as a gzip does. */
function files(): FileTree {
  const builder = createTreeBuilder(EMPTY_TREE);
  const large = Buffer.alloc(3 * 1024 * 1024, "silt and clay, ");
  large.set([0x1f, 0x8b, 8], 1024 * 1024 - 512);
  for (const [name, bytes] of [
    ["a", Buffer.from("alpha")],
    ["large", large],
    ["z", Buffer.from("omega")],
  ] as const) {
    builder.set({
      path: name as BytePath,
      type: "file",
      mode: 0o644,
      uid: 0,
      gid: 0,
      mtime: 1,
      size: bytes.length,
      content: { kind: "bytes", bytes, size: bytes.length },
    });
  }
  return builder.finish();
}

const make = (codec?: Codec): Promise<StoredLayer> => createLayer(store, diffTrees(EMPTY_TREE, files()), reader, { codec });
const asLayer = async (layer: StoredLayer): Promise<ImageLayer> => {
  const descriptor = await layer.blob;
  return { descriptor, diffID: layer.diffID, open: (options) => store.fetch(descriptor, options) };
};

test("the same tar in another codec, found again, and read by segments", async () => {
  const made = await make();
  const layer = await asLayer(made);
  const tar = await collect(decompress(await store.fetch(layer.descriptor)));
  for (const [codec, mediaType] of [
    [createCodec("none"), MEDIA_TYPES.ociLayer],
    [createCodec("gzip", { level: 1 }), MEDIA_TYPES.ociLayerGzip],
    [createCodec("gzip", { portable: true }), MEDIA_TYPES.ociLayerGzip],
  ] as const) {
    const blob = await recompressLayer(store, layer, codec);
    expect(blob.mediaType).toBe(mediaType);
    const stored = await collect(await store.fetch(blob));
    expect(stored.length).toBe(blob.size);
    expect((await collect(decompress(streamOf(stored)))).length).toBe(tar.length);
    expect(sha256Hex(await collect(decompress(streamOf(stored))))).toBe(sha256Hex(tar));
    expect((await readStoredIndex(store, made.diffID, {}))?.tables.map((table) => table.encoding)).toContain(codec.encoding);
    // a layer that was compressed so from the start is the same
    const other = await openStore({ root: path.join(directory, `other ${codec.encoding}`) });
    expect(await (await createLayer(other, diffTrees(EMPTY_TREE, files()), reader, { codec })).blob).toEqual(blob);
    await other[Symbol.asyncDispose]();

    await using contents = createLayerReader(store, () => Promise.resolve(blob));
    const tree = mergeLayer(EMPTY_TREE, made.index);
    for (const name of ["z", "large", "a"]) {
      const content = tree.lookup(name as BytePath)?.content;
      if (content === undefined) throw new Error(`no ${name}`);
      expect((await collect(await contents.open(content))).length).toBe(content.size);
    }
  }
});

test("a blob that will do is taken as it is: the layer's own, then any that the store still has", async () => {
  const layer = await asLayer(await make());
  expect(await recompressLayer(store, layer, createCodec("gzip"))).toEqual(layer.descriptor);
  const plain = await recompressLayer(store, layer, createCodec("none"));
  const untouchable: ImageLayer = { ...layer, open: () => Promise.reject(new Error("it was made before")) };
  expect(await recompressLayer(store, untouchable, createCodec("none"))).toEqual(plain);
  await rm(path.join(store.root, "blobs/sha256", plain.digest.slice("sha256:".length)));
  await expect(recompressLayer(store, untouchable, createCodec("none"))).rejects.toThrow("it was made before");
  expect(await recompressLayer(store, layer, createCodec("none"))).toEqual(plain);
});

test("segments of another codec or level are not taken over", async () => {
  const made = await make();
  await made.blob;
  for (const codec of [createCodec("none"), createCodec("gzip", { level: 1 }), createCodec("gzip", { portable: true })]) {
    const other = await openStore({ root: path.join(directory, `other ${codec.encoding}`) });
    const changes = diffTrees(EMPTY_TREE, files());
    const alone = await (await createLayer(other, changes, reader, { codec })).blob;
    expect(await (await createLayer(store, changes, reader, { codec, previous: [made.diffID] })).blob).toEqual(alone);
    await other[Symbol.asyncDispose]();
  }
});

test("a layer another tool made, not in the store yet", async () => {
  const made = await make();
  const tar = await collect(decompress(await store.fetch(await made.blob)));
  const bytes = gzipSync(tar);
  const descriptor: Descriptor = { mediaType: MEDIA_TYPES.ociLayerGzip, digest: digestFromHex(sha256Hex(bytes)), size: bytes.length };
  await using other = await openStore({ root: path.join(directory, "other") });
  const foreign: ImageLayer = { descriptor, diffID: made.diffID, open: async () => streamOf(bytes) };
  const blob = await recompressLayer(other, foreign, createCodec("none"));
  expect(sha256Hex(await collect(await other.fetch(blob)))).toBe(sha256Hex(tar));
  expect((await layerIndex(other, foreign)).tables).toHaveLength(1);
  // of another encoding there is nothing to know: gzip again is not "the same codec"
  expect((await recompressLayer(other, foreign, createCodec("gzip"))).digest).toBe((await made.blob).digest);
});
