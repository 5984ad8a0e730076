import { crc32, sha256Hex } from "@varve/archive";
import { type BytePath, collectBytes, streamOf } from "@varve/bytes";
import { type Digest, digestFromHex } from "@varve/oci";
import { expect, test } from "vitest";
import {
  type ContentReader,
  createTreeBuilder,
  diffTrees,
  EMPTY_TREE,
  encodeLayerIndex,
  type EntryChange,
  type LayerIndex,
  type NewEntry,
  replayLayer,
  replayLayerTar,
  writeLayerTar,
} from "../index.ts";

const MIB = 1024 * 1024;

/** Numbers below `below`, the same for the same seed. */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed * 2_654_435_761 + 1;
  return (below) => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0;
    return ((state ^ (state >>> 12)) >>> 0) % below;
  };
}

const digestOf = (bytes: Uint8Array): Digest => digestFromHex(sha256Hex(bytes));

/** Files by host path, `/host/` and their path below `app`; a "disk" whose states say the size alone. */
class Disk {
  readonly files = new Map<string, Uint8Array>();

  readonly reader: ContentReader = {
    open: (ref) => Promise.resolve(streamOf(this.#read(ref.kind === "disk" ? ref.path : "", ref.size))),
    digest: (ref) => Promise.resolve(digestOf(this.#read(ref.kind === "disk" ? ref.path : "", ref.size))),
    batches: {
      takes: () => true,
      readInto: (bytes, contents) => {
        const digests = contents.map(({ ref, offset }) => {
          const content = this.#read(ref.kind === "disk" ? ref.path : "", ref.size);
          bytes.set(content, offset);
          return digestOf(content);
        });
        return Promise.resolve({ digests, whole: digestOf(bytes), crc32: crc32(bytes) });
      },
      readFiles: (bytes, { paths, states, offsets }) => {
        const names = offsets.length === 0 ? [] : Buffer.from(paths).toString("latin1").split("\0");
        for (const [i, name] of names.entries()) bytes.set(this.#read(name, Number(states[5 * i + 2])), offsets[i]);
        return Promise.resolve({ whole: digestOf(bytes), crc32: crc32(bytes) });
      },
    },
  };

  #read(path: string, size: number): Uint8Array {
    const bytes = this.files.get(path);
    if (bytes?.length !== size) throw new Error(`${path} has no ${size} bytes`);
    return bytes;
  }
}

type Item = NewEntry & { bytes?: Uint8Array };

async function layerOf(items: readonly Item[], disk: Disk) {
  const builder = createTreeBuilder();
  disk.files.clear();
  for (const { bytes, ...entry } of items) {
    const path = `/host/${entry.path.slice(4)}` as BytePath;
    const stat = { device: "1", inode: "1", mtimeNs: "0", ctimeNs: "0" };
    if (bytes === undefined) builder.set(entry);
    else {
      disk.files.set(path, bytes);
      builder.set({ ...entry, size: bytes.length, content: { kind: "disk", path, size: bytes.length, stat } });
    }
  }
  return readTar(writeLayerTar(diffTrees(EMPTY_TREE, builder.finish()), disk.reader));
}

async function readTar(tar: ReturnType<typeof writeLayerTar>): Promise<{ readonly bytes: Uint8Array; readonly index: LayerIndex }> {
  const bytes = await collectBytes(tar.stream, 1e9, () => new Error("limit"));
  return { bytes, index: (await tar.finished).index };
}

function randomItems(random: (below: number) => number, count: number): Item[] {
  const items: Item[] = [{ path: "app" as BytePath, type: "directory", mode: 0o755, uid: 0, gid: 0, mtime: 3, size: 0 }];
  const directories = ["app"];
  for (let i = 0; i < count; i++) {
    const long = random(9) === 0 ? "n".repeat(random(160)) : "";
    const path = `${directories[random(directories.length)]}/${["f", "\xc3\xbc", "-"][random(3)]}${i}${long}` as BytePath;
    const common = { path, mode: [0o644, 0o755, 0o4755, 0o600][random(4)] ?? 0, uid: [0, 7, 3_000_000][random(3)] ?? 0, gid: 0, mtime: random(2e9), size: 0 };
    const kind = random(12);
    if (kind === 0) {
      items.push({ ...common, type: "directory" });
      directories.push(path);
    } else if (kind === 1) items.push({ ...common, type: "symlink", mode: 0o777, linkTarget: `../${"t".repeat(random(130))}` as BytePath });
    else if (kind === 2) items.push({ ...common, type: "fifo" });
    else {
      const xattrs = kind === 3 ? { xattrs: new Map([["security.capability", Uint8Array.of(1, 0, 255)]]) } : {};
      items.push({ ...common, ...xattrs, type: "file", bytes: noise(random, sizeOf(random)) });
    }
  }
  return items;
}

function sizeOf(random: (below: number) => number): number {
  const kind = random(40);
  return kind === 0 ? MIB - 512 + random(3) * 256 : kind === 1 ? 2 * MIB + random(2 * MIB) : kind < 6 ? 0 : kind < 12 ? random(200_000) : random(4000);
}

function noise(random: (below: number) => number, size: number): Uint8Array {
  return new Uint8Array(size).fill(random(256));
}

test.each([1, 2, 3, 4, 5, 6])("gives the layer that is made from nothing (%i)", async (seed) => {
  const random = randomNumbers(seed);
  const disk = new Disk();
  const items = randomItems(random, 60 + random(200));
  const before = await layerOf(items, disk);
  const edits = seed === 1 ? 0 : seed === 2 ? 1 : random(30);
  const changed = new Set<string>();
  for (let i = 0; i < edits; i++) {
    const item = items[1 + random(items.length - 1)];
    if (item === undefined || !(item.type === "file" || item.type === "directory")) continue;
    changed.add(item.path);
    items[items.indexOf(item)] = {
      ...item,
      mtime: random(2e9),
      ...(item.bytes === undefined ? {} : { bytes: random(3) === 0 ? noise(random, item.bytes.length) : noise(random, sizeOf(random)) }),
    };
  }
  const after = await layerOf(items, disk);
  const byPath = new Map(items.map((item) => [item.path, item]));
  const entries = [...before.index.entries()];
  const changes: EntryChange[] = entries.flatMap(({ path }, entry) => {
    const item = changed.has(path) ? byPath.get(path) : undefined;
    if (item === undefined) return [];
    return [{ entry, mtime: item.mtime, ...(item.bytes === undefined ? {} : { size: item.bytes.length, digest: digestOf(item.bytes) }) }];
  });

  const replay = replayLayer(before.index, changes);
  const known = replay.segments.filter((segment) => segment.expected !== undefined);
  for (const segment of known) expect(segment.expected?.digest).toBe(after.index.segments.find(({ offset }) => offset === segment.offset)?.digest);
  if (changes.length === 0) expect(known).toHaveLength(replay.segments.length);
  if (changes.length === 1) expect(known.length).toBeGreaterThan(replay.segments.length / 2);

  const states = entries.filter(({ kind }) => kind === "file").flatMap(({ path }) => [1n, 1n, BigInt(byPath.get(path)?.bytes?.length ?? 0), 0n, 0n]);
  const files = { states: BigInt64Array.from(states), root: "/host/" as BytePath, strip: 4 };
  const tar = replayLayerTar(replay, files, disk.reader);
  expect(tar.isNew).toBe(changes.length > 0);
  const replayed = await readTar(tar);
  expect(Buffer.from(replayed.bytes).equals(after.bytes)).toBe(true);
  expect(Buffer.concat(encodeLayerIndex(replayed.index)).equals(Buffer.concat(encodeLayerIndex(after.index)))).toBe(true);
  const digests = entries.flatMap(({ path, kind }) => (kind === "file" ? [sha256Hex(byPath.get(path)?.bytes ?? new Uint8Array())] : []));
  expect(Buffer.from(replay.contents).toString("hex")).toBe(digests.join(""));
});

test("segments behind a file that grew are those of before", async () => {
  const disk = new Disk();
  const random = randomNumbers(11);
  const items = [...randomItems(random, 3), ...randomItems(random, 300).slice(1)].map((item, i) => ({
    ...item,
    path: (i === 0 ? "app" : `app/${i}`) as BytePath,
  }));
  const { index } = await layerOf(items, disk);
  const entry = [...index.entries()].findIndex(({ kind, size }) => kind === "file" && size < 4000);
  const { segments } = replayLayer(index, [{ entry, mtime: 5, size: 6000, digest: digestOf(new Uint8Array(6000)) }]);
  expect(segments.length).toBeGreaterThan(6);
  expect(segments.filter(({ expected }) => expected === undefined).length).toBeLessThanOrEqual(2);
});

test("refuses an index that isn't of the layer", async () => {
  const disk = new Disk();
  const { index } = await layerOf(randomItems(randomNumbers(9), 20), disk);
  expect(() => replayLayer({ ...index, size: index.size + 512 }, [])).toThrow("another layer");
  expect(() => replayLayer(index, [{ entry: 100, mtime: 0 }])).toThrow("another layer");
});
