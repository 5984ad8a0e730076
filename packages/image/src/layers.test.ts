import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { decompress } from "@varve/archive";
import { type BytePath, collectBytes, streamOf } from "@varve/bytes";
import {
  type ContentReader,
  createTreeBuilder,
  decodeLayerIndex,
  diffTrees,
  EMPTY_TREE,
  encodeLayerIndex,
  type FileTree,
  type LayerIndex,
  mergeLayer,
  type NewEntry,
  withParents,
  writeLayerTar,
} from "@varve/layer";
import { type Descriptor, digestFromHex, digestHex, type DiffID, MEDIA_TYPES } from "@varve/oci";
import { openStore, type Store } from "@varve/store";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { imageTree, layerIndex } from "./layer-index-store.ts";
import { createLayerReader } from "./layer-reader.ts";
import { createLayer, storeLayer } from "./layer-writer.ts";
import { openImage } from "./image-opener.ts";
import { storeImage } from "./image-writer.ts";
import { createImageReader, flattenImage, writeRootfsDirectory, writeRootfsTar } from "./rootfs.ts";

let directory: string;
let store: Store;

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "varve-layers-"));
  store = await openStore({ root: path.join(directory, "store") });
});

afterEach(async () => {
  await store[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

const base = { mode: 0o644, uid: 0, gid: 0, mtime: 1_600_000_000, size: 0 } as const;
const dir = (at: string): NewEntry => ({ ...base, path: at as BytePath, type: "directory", mode: 0o755 });
const file = (at: string, content: string | Uint8Array): NewEntry => {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  return { ...base, path: at as BytePath, type: "file", size: bytes.length, content: { kind: "bytes", bytes, size: bytes.length } };
};

function tree(from: FileTree, ...entries: readonly NewEntry[]): FileTree {
  const builder = createTreeBuilder(from);
  for (const entry of entries) builder.set(entry);
  return builder.finish();
}

const bytesReader: ContentReader = {
  open: async (ref) => streamOf(ref.kind === "bytes" ? ref.bytes : new Uint8Array(0)),
  digest: async (ref) =>
    digestFromHex(
      createHash("sha256")
        .update(ref.kind === "bytes" ? ref.bytes : "")
        .digest("hex"),
    ),
};

async function read(reader: ContentReader, from: FileTree, at: string): Promise<Uint8Array> {
  const content = from.lookup(at as BytePath)?.content;
  if (content === undefined) throw new Error(`no ${at}`);
  return collectBytes(await reader.open(content), 1e9, () => new Error("too large"));
}

async function make(next: FileTree, previous: readonly DiffID[] = []): Promise<{ diffID: DiffID; index: LayerIndex; descriptor: Descriptor }> {
  const layer = await createLayer(store, withParents(EMPTY_TREE, diffTrees(EMPTY_TREE, next)), bytesReader, { previous });
  return { diffID: layer.diffID, index: layer.index, descriptor: await layer.blob };
}

/** Writes a layer's index as the version before CRCs did: with the digests of its members. */
async function makeOlder({ diffID, descriptor }: { readonly diffID: DiffID; readonly descriptor: Descriptor }): Promise<void> {
  const index = decodeLayerIndex((await store.readLayerIndex(diffID)) ?? new Uint8Array(0));
  const blob = await readFile(path.join(store.root, "blobs", "sha256", digestHex(descriptor.digest)));
  const tables = index.tables.map((table) => {
    let at = 0;
    const members = table.sizes.map((size) =>
      digestFromHex(
        createHash("sha256")
          .update(blob.subarray(at, (at += size)))
          .digest("hex"),
      ),
    );
    return { ...table, members };
  });
  await store.writeLayerIndex(diffID, encodeLayerIndex({ ...index, tables }));
}

/** A layer as other tools make it: one gzip member, no stored index. */
async function foreignLayer(next: FileTree): Promise<{ diffID: DiffID; descriptor: Descriptor; tar: Uint8Array }> {
  const other = await openStore({ root: path.join(directory, "other") });
  try {
    const layer = await createLayer(other, diffTrees(EMPTY_TREE, next), bytesReader);
    const tar = await collectBytes(decompress(await other.fetch(await layer.blob)), 1e9, () => new Error("too large"));
    const blob = gzipSync(tar, { level: 1 });
    const descriptor = { mediaType: MEDIA_TYPES.ociLayerGzip, digest: digestFromHex(createHash("sha256").update(blob).digest("hex")), size: blob.length };
    await store.push(descriptor, async () => streamOf(blob));
    return { diffID: layer.diffID, descriptor, tar };
  } finally {
    await other[Symbol.asyncDispose]();
  }
}

const BIG = randomBytes(2.5 * 1024 * 1024);
const sample = (): FileTree =>
  tree(
    EMPTY_TREE,
    dir("d"),
    file("d/a", "aaa"),
    file("d/empty", ""),
    file("big", BIG),
    ...Array.from({ length: 300 }, (_, i) => file(`d/${i}`, `${i}`.repeat(5000))),
  );

describe("createLayer", () => {
  it("stores a gzip whose tar is the diffID's, and an index with the blob's table", async () => {
    const { diffID, index, descriptor } = await make(sample());
    const blob = await collectBytes(await store.fetch(descriptor), 1e9, () => new Error("too large"));
    const tar = execFileSync("gzip", ["-dc"], { input: blob, maxBuffer: 1e9 });
    expect(`sha256:${createHash("sha256").update(tar).digest("hex")}`).toBe(diffID);
    expect(tar.length).toBe(index.size);
    const stored = await layerIndex(store, { diffID, descriptor, open: () => Promise.reject(new Error("read")) });
    expect(stored.tables.map((table) => table.blob)).toEqual([descriptor.digest]);
    expect([...stored.entries()]).toEqual([...index.entries()]);
  });

  it("gives equal bytes for equal changes", async () => {
    const one = await make(sample());
    const two = await make(sample());
    expect(two.descriptor).toEqual(one.descriptor);
  });

  it.each(["CRCs", "digests"])("copies nothing out of an earlier blob that is damaged, by %s of its members", async (checks) => {
    const earlier = await make(sample());
    if (checks === "digests") await makeOlder(earlier);
    const blob = path.join(directory, "store", "blobs", "sha256", digestHex(earlier.descriptor.digest));
    const bytes = await readFile(blob);
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
    await rm(blob);
    await writeFile(blob, bytes);
    const { diffID, descriptor } = await make(tree(sample(), file("d/new", "new")), [earlier.diffID]);
    const tar = await collectBytes(decompress(await store.fetch(descriptor)), 1e9, () => new Error("too large"));
    expect(`sha256:${createHash("sha256").update(tar).digest("hex")}`).toBe(diffID);
  });

  it("knows the diffID before the blob is stored, having read all content", async () => {
    const opened: string[] = [];
    const counting: ContentReader = { ...bytesReader, open: (ref, options) => (opened.push(ref.kind), bytesReader.open(ref, options)) };
    const layer = await createLayer(store, diffTrees(EMPTY_TREE, sample()), counting);
    // an empty file needs no reading
    expect(opened).toHaveLength(302);
    expect(mergeLayer(EMPTY_TREE, layer.index).size).toBe(305);
    await layer.blob;
  });

  it.each(["CRCs", "digests"])("copies unchanged segments from an earlier blob, with the same bytes as without, by %s of its members", async (checks) => {
    const before = await make(sample());
    if (checks === "digests") await makeOlder(before);
    const next = tree(sample(), file("d/0", "changed"));
    const fresh = await make(next);
    await rm(path.join(store.root, "blobs", "sha256", fresh.descriptor.digest.slice(7)));
    let copied = 0;
    const openBlob = store.openBlob.bind(store);
    store.openBlob = async (...which) => {
      const blob = await openBlob(...which);
      return { ...blob, readInto: (...part) => (copied++, blob.readInto(...part)) };
    };
    const reused = await make(next, [before.diffID]);
    expect(reused.descriptor).toEqual(fresh.descriptor);
    expect(copied).toBeGreaterThanOrEqual(3);
    expect(copied).toBeLessThan(before.index.segments.length);
  });

  it("is told of while it is written where it is known to be new, though all of it is copied so far", async () => {
    const large = tree(EMPTY_TREE, file("a", randomBytes(6 * 1024 * 1024)), file("b", "b"));
    const before = await make(large);
    const told: boolean[] = [];
    for (const isNew of [false, true]) {
      let growing = 0;
      const tar = { ...writeLayerTar(withParents(EMPTY_TREE, diffTrees(EMPTY_TREE, large)), bytesReader), isNew };
      const layer = await storeLayer(store, tar, { previous: [before.diffID], onGrowing: () => growing++ });
      expect(await layer.blob).toEqual(before.descriptor);
      told.push(growing === 1);
    }
    expect(told).toEqual([false, true]);
  });

  it("leaves nothing when content cannot be read, and rejects with the reader's error", async () => {
    const broken: ContentReader = {
      ...bytesReader,
      open: (ref, options) => (ref.size > 1_000_000 ? Promise.reject(new Error("vanished")) : bytesReader.open(ref, options)),
    };
    await expect(createLayer(store, diffTrees(EMPTY_TREE, sample()), broken)).rejects.toThrow("vanished");
    expect(await readdir(path.join(store.root, "blobs", "sha256"))).toEqual([]);
    expect(await readdir(await store.directory("spool"))).toEqual([]);
  });

  it("stops when aborted", async () => {
    const abort = new AbortController();
    const stopping: ContentReader = { ...bytesReader, open: (ref, options) => (abort.abort(new Error("enough")), bytesReader.open(ref, options)) };
    await expect(createLayer(store, diffTrees(EMPTY_TREE, sample()), stopping, { signal: abort.signal })).rejects.toThrow("enough");
    expect(await readdir(path.join(store.root, "blobs", "sha256"))).toEqual([]);
  });
});

describe("createLayerReader", () => {
  it("reads files of varve's own layers, in any order, without the segments around them", async () => {
    const { diffID, index, descriptor } = await make(sample());
    const from = mergeLayer(EMPTY_TREE, index);
    await using reader = createLayerReader(store, async (wanted) => (expect(wanted).toBe(diffID), descriptor));
    expect(await read(reader, from, "d/299")).toEqual(new TextEncoder().encode("299".repeat(5000)));
    expect(await read(reader, from, "d/a")).toEqual(new TextEncoder().encode("aaa"));
    expect(await read(reader, from, "d/empty")).toEqual(new Uint8Array(0));
    expect(Buffer.from(await read(reader, from, "big")).equals(BIG)).toBe(true);
    // damage the first segment: what lies in the others is still read, what lies in it is refused
    const blob = path.join(store.root, "blobs", "sha256", descriptor.digest.slice(7));
    const bytes = await readFile(blob);
    bytes[2000] = (bytes[2000] ?? 0) ^ 0xff;
    await rm(blob);
    await writeFile(blob, bytes);
    await using again = createLayerReader(store, async () => descriptor);
    expect(await read(again, from, "d/299")).toHaveLength(15_000);
    await expect(read(again, from, "big")).rejects.toMatchObject({ code: "IMAGE_LAYER_MISMATCH" });
  });

  it("reads files of other tools' layers, forwards, backwards and at once", async () => {
    const { diffID, descriptor } = await foreignLayer(sample());
    const index = await layerIndex(store, { diffID, descriptor, open: (options) => store.fetch(descriptor, options) });
    const from = mergeLayer(EMPTY_TREE, index);
    await using reader = createLayerReader(store, async () => descriptor);
    const names = ["big", "d/0", "d/10", "d/a", "d/9", "d/0", "big"];
    for (const name of names) expect((await read(reader, from, name)).length).toBe(from.lookup(name as BytePath)?.size);
    await using another = createLayerReader(store, async () => descriptor);
    const sizes = await Promise.all(names.map(async (name) => (await read(another, from, name)).length));
    expect(sizes).toEqual(names.map((name) => from.lookup(name as BytePath)?.size));
    expect(await readdir(await store.directory("spool"))).toEqual([]);
  });

  it("tells content that is not what its reference says", async () => {
    const { diffID, index, descriptor } = await make(sample());
    await using reader = createLayerReader(store, async () => descriptor);
    const entry = [...index.entries()].find((each) => each.path === "d/a");
    const ref = { kind: "layer", diffID, offset: entry?.offset ?? 0, size: 3, digest: digestFromHex("0".repeat(64)) } as const;
    await expect(reader.open(ref).then((stream) => collectBytes(stream, 10, () => new Error("")))).rejects.toMatchObject({ code: "IMAGE_LAYER_MISMATCH" });
  });
});

describe("layerIndex", () => {
  it("fetches a layer through into the store, once for two askers, and reads it no more", async () => {
    const { diffID, descriptor } = await foreignLayer(sample());
    const blob = await collectBytes(await store.fetch(descriptor), 1e9, () => new Error("too large"));
    await rm(path.join(store.root, "blobs", "sha256", descriptor.digest.slice(7)));
    let opened = 0;
    const remote = { diffID, descriptor, open: async () => (opened++, streamOf(blob)) };
    const [one, two] = await Promise.all([layerIndex(store, remote), layerIndex(store, remote)]);
    expect(one.diffID).toBe(two.diffID);
    expect(await store.has(descriptor)).toBe(true);
    await layerIndex(store, remote);
    expect(opened).toBe(1);
  });

  it("refuses a layer that is not its diffID's, and a blob that is not its digest's", async () => {
    const { descriptor } = await foreignLayer(sample());
    const wrong = digestFromHex("e".repeat(64)) as string as DiffID;
    await expect(layerIndex(store, { diffID: wrong, descriptor, open: () => store.fetch(descriptor) })).rejects.toMatchObject({ code: "IMAGE_LAYER_MISMATCH" });
    const missing = { ...descriptor, digest: digestFromHex("d".repeat(64)) };
    const blob = await collectBytes(await store.fetch(descriptor), 1e9, () => new Error("too large"));
    await expect(layerIndex(store, { diffID: wrong, descriptor: missing, open: async () => streamOf(blob) })).rejects.toMatchObject({
      code: "STORE_DIGEST_MISMATCH",
    });
    expect(await store.has(missing)).toBe(false);
  });

  it("makes an index anew when the stored one is damaged", async () => {
    const { diffID, descriptor } = await make(sample());
    await store.writeLayerIndex(diffID, [new TextEncoder().encode("rubbish")]);
    expect((await layerIndex(store, { diffID, descriptor, open: () => store.fetch(descriptor) })).diffID).toBe(diffID);
  });
});

describe("an image's files", () => {
  const twoLayers = async (): Promise<Descriptor> => {
    const lower = tree(EMPTY_TREE, dir("etc"), file("etc/kept", "kept"), file("etc/gone", "gone"), file("etc/changed", "old"));
    const builder = createTreeBuilder(lower);
    builder.remove("etc/gone" as BytePath);
    builder.set(file("etc/changed", "new"));
    builder.set(file("added", "added"));
    const first = await foreignLayer(lower);
    const second = await createLayer(store, withParents(lower, diffTrees(lower, builder.finish())), bytesReader);
    return storeImage(store, {
      config: { architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [first.diffID, second.diffID] } },
      layers: [first.descriptor, await second.blob],
    });
  };

  it("merge, and are read from whichever layer has them", async () => {
    const image = await openImage(store, await twoLayers());
    const from = await imageTree(store, image);
    await using reader = createImageReader(store, image);
    expect([...from.walk()].map((entry) => entry.path)).toEqual(["", "added", "etc", "etc/changed", "etc/kept"]);
    expect(new TextDecoder().decode(await read(reader, from, "etc/changed"))).toBe("new");
    expect(new TextDecoder().decode(await read(reader, from, "etc/kept"))).toBe("kept");
  });

  it("go into a tar, a directory and one layer", async () => {
    const image = await openImage(store, await twoLayers());
    const tar = path.join(directory, "rootfs.tar");
    await writeRootfsTar(store, image, tar);
    expect(
      execFileSync("tar", ["-tf", tar], { encoding: "utf8" })
        .split("\n")
        .filter((line) => !["", "./", "/"].includes(line)),
    ).toEqual(["added", "etc/", "etc/changed", "etc/kept"]);
    const out = path.join(directory, "out");
    await writeRootfsDirectory(store, image, out);
    expect(execFileSync("grep", ["-r", "", "."], { cwd: out, encoding: "utf8" }).trim().split("\n").toSorted()).toEqual([
      "./added:added",
      "./etc/changed:new",
      "./etc/kept:kept",
    ]);
    const flat = await flattenImage(store, image);
    expect([...mergeLayer(EMPTY_TREE, flat.index).walk()].map((entry) => entry.path)).toEqual(["", "added", "etc", "etc/changed", "etc/kept"]);
    await flat.blob;
  });
});
