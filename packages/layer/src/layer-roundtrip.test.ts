import { decompress } from "@varve/archive";
import { collectBytes, streamOf, toBytePath } from "@varve/bytes";
import { expect, test } from "vitest";
import { compressLayer, createTreeBuilder, decodeLayerIndex, diffTrees, EMPTY_TREE, encodeLayerIndex, indexLayer, mergeLayer, readTarRange, withSegmentTable, writeLayerTar } from "./index.ts";
import type { ContentReader } from "./index.ts";
import { digestFromHex } from "@varve/oci";

const reader: ContentReader = {
  open: async (ref) => (ref.kind === "bytes" ? streamOf(ref.bytes) : Promise.reject(new Error("bytes only"))),
  digest: () => Promise.reject(new Error("unused")),
};

test("a tree survives the writer, gzip segments, the index and the merge", async () => {
  const builder = createTreeBuilder();
  const big = new Uint8Array(3_000_000).map((_, i) => (i * 7 + (i >> 8)) & 0xff);
  const file = (path: string, bytes: Uint8Array) =>
    builder.set({ path: toBytePath(path), type: "file", mode: 0o4755, uid: 1000, gid: 5, mtime: 1_700_000_000, size: bytes.length, content: { kind: "bytes", bytes, size: bytes.length } });
  file("usr/bin/tool", big);
  file("etc/passwd", new TextEncoder().encode("root:x:0:0::/root:/bin/sh\n"));
  builder.link(toBytePath("usr/bin/other"), toBytePath("usr/bin/tool"));
  builder.set({ path: toBytePath("bin"), type: "symlink", mode: 0o777, uid: 0, gid: 0, mtime: 5, size: 0, linkTarget: toBytePath("usr/bin") });
  const tree = builder.finish();
  const tar = writeLayerTar(diffTrees(EMPTY_TREE, tree), reader);
  const compressed = compressLayer(tar);
  const blob = await collectBytes(compressed.stream, 1e9, () => new Error("limit"));
  const { diffID, index } = await tar.finished;
  const read = await indexLayer(decompress(streamOf(blob)));
  expect(read.diffID).toBe(diffID);
  expect([...read.entries()]).toEqual([...index.entries()]);
  expect(read.segments).toEqual(index.segments);
  const stored = decodeLayerIndex(encodeLayerIndex(withSegmentTable(index, { blob: digestFromHex("0".repeat(64)), encoding: "x", sizes: compressed.sizes })));
  expect([...stored.entries()]).toEqual([...index.entries()]);
  const merged = mergeLayer(EMPTY_TREE, stored);
  expect(diffTrees(tree, merged, () => true).changes).toEqual([]);
  const entry = merged.lookup(toBytePath("usr/bin/other"));
  expect(entry?.node).toBe(merged.lookup(toBytePath("usr/bin/tool"))?.node);
  const table = stored.tables[0]!;
  const ref = entry?.content as { offset: number };
  const got = await collectBytes(readTarRange({ index: stored, table, open: async (o, l) => streamOf(blob.subarray(o, o + l)) }, ref.offset, big.length), 1e9, () => new Error());
  expect(Buffer.compare(got, big)).toBe(0);
  expect(compressed.sizes.length).toBeGreaterThan(2);
});
