import { type BytePath, concatBytes, streamOf } from "@varve/bytes";
import { expect, test } from "vitest";
import {
  createTreeBuilder,
  decodeLayerIndex,
  diffTrees,
  EMPTY_TREE,
  encodeLayerIndex,
  type Entry,
  type FileTree,
  indexLayer,
  mergeLayer,
  type NewEntry,
  writeLayerTar,
} from "./index.ts";

// past the chunks that columns grow by (4,096 rows, 128 KiB of names) and the pieces of an index (256 KiB), in one directory and in many
const ENTRIES = 10_000;
const FLAT = 6000;

const pathOf = (i: number): string => (i < FLAT ? `flat/file-${String(i).padStart(5, "0")}-${"x".repeat(i % 50)}` : `many/d${i}/f`);

function entryAt(i: number): NewEntry {
  const bytes = Uint8Array.of(i & 0xff, i >> 8);
  // every owner is another one, some of them large
  return {
    path: pathOf(i) as BytePath,
    type: "file",
    mode: 0o600 + (i % 0o100),
    uid: i,
    gid: 70_000 + (i % 3),
    mtime: 1_000_000_000 + i,
    size: 2,
    content: { kind: "bytes", bytes, size: 2 },
  };
}

function build(order: (i: number) => number): FileTree {
  const builder = createTreeBuilder();
  for (let i = 0; i < ENTRIES; i++) builder.set(entryAt(order(i)));
  return builder.finish();
}

/** As text: comparing ten thousand objects takes seconds. */
const plain = ({ path, type, mode, uid, gid, mtime, size }: Omit<Entry, "node">): string => [path, type, mode, uid, gid, mtime, size].join(" ");
const listing = (tree: FileTree): string => [...tree.walk()].map(plain).join("\n");

test("a tree of more entries than one chunk holds gives each as it was set, in whatever order they came", () => {
  const tree = build((i) => i);
  for (let i = 0; i < ENTRIES; i++) {
    const entry = tree.lookup(pathOf(i) as BytePath);
    if (entry === undefined || plain(entry) !== plain(entryAt(i))) expect(entry).toMatchObject(entryAt(i));
  }
  expect(tree.list("flat" as BytePath)).toHaveLength(FLAT);
  expect(tree.size).toBe(ENTRIES + 3 + (ENTRIES - FLAT));
  const other = build((i) => (i * 7919) % ENTRIES);
  expect(listing(other) === listing(tree)).toBe(true);
  expect([...diffTrees(tree, other).changes]).toEqual([]);
});

test("so does the layer of it, read again from its index", async () => {
  const tree = build((i) => i);
  const tar = writeLayerTar(diffTrees(EMPTY_TREE, tree), {
    open: (ref) => Promise.resolve(streamOf(ref.kind === "bytes" ? ref.bytes : new Uint8Array())),
    digest: () => Promise.reject(new TypeError("nobody asks for a digest")),
  });
  const index = await indexLayer(tar.stream);
  const pieces = encodeLayerIndex(index);
  expect(pieces.length).toBeGreaterThan(2);
  const merged = mergeLayer(EMPTY_TREE, decodeLayerIndex(concatBytes(pieces)));
  expect(listing(merged) === listing(tree)).toBe(true);
  expect(merged.size).toBe(tree.size);
  const { index: written } = await tar.finished;
  expect(JSON.stringify([...written.entries()]) === JSON.stringify([...index.entries()])).toBe(true);
});
