import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { encodeTarHeader, TAR_END } from "@varve/archive";
import { type BytePath, concatBytes, streamOf } from "@varve/bytes";
import { PLAIN_TAR_HEADER } from "@varve/testkit";
import { expect, test } from "vitest";
import { createTreeBuilder, decodeLayerIndex, EMPTY_TREE, encodeLayerIndex, type FileTree, indexLayer, mergeLayer } from "./index.ts";

// design.md: at most 400 bytes an entry at a million entries
const ENTRIES = 1_000_000;
const LIMIT = 400;

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

function used(): number {
  // typed arrays are freed one collection after their owners
  collectGarbage();
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

const nameOf = (i: number) => `srv/data/d${Math.floor(i / 1000)}/file-number-${i}.txt` as BytePath;

async function* tar(): AsyncGenerator<Uint8Array, void, undefined> {
  for (let i = 0; i < ENTRIES; i++) yield encodeTarHeader({ ...PLAIN_TAR_HEADER, name: nameOf(i), mtime: 1_700_000_000 });
  yield* streamOf(TAR_END);
}

function expectSmall(tree: FileTree, before: number): void {
  const perEntry = (used() - before) / ENTRIES;
  console.log(`${perEntry.toFixed(0)} bytes an entry`);
  expect(tree.size).toBeGreaterThan(ENTRIES);
  expect(perEntry).toBeLessThan(LIMIT);
}

test("a tree of a layer, and its index", { timeout: 600_000 }, async () => {
  const encoded = concatBytes(encodeLayerIndex(await indexLayer(tar())));
  expect(encoded.length / ENTRIES).toBeLessThan(100);
  const before = used();
  expectSmall(mergeLayer(EMPTY_TREE, decodeLayerIndex(encoded)), before);
});

test("a tree of a directory", { timeout: 600_000 }, () => {
  const before = used();
  const builder = createTreeBuilder();
  for (let i = 0; i < ENTRIES; i++) {
    const path = nameOf(i);
    const stat = { device: "64769", inode: String(1_000_000 + i), mtimeNs: "1700000000123456789", ctimeNs: "1700000000123456789" };
    builder.set({
      path,
      type: "file",
      mode: 0o644,
      uid: 0,
      gid: 0,
      mtime: 1_700_000_000,
      size: 0,
      content: { kind: "disk", path: `/home/user/project/${path}` as BytePath, size: 0, stat },
    });
  }
  expectSmall(builder.finish(), before);
});
