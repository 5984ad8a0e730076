import { execFileSync } from "node:child_process";
import { crc32, createCodec, decompress, sha256Hex } from "@varve/archive";
import { type BytePath, collectBytes, concatBytes, streamOf } from "@varve/bytes";
import { type Digest, digestFromHex } from "@varve/oci";
import { describeWithTools } from "@varve/testkit";
import { describe, expect, test } from "vitest";
import {
  compressLayer,
  compressSegments,
  type ContentReader,
  createTreeBuilder,
  cutsOf,
  decodeLayerIndex,
  diffTrees,
  EMPTY_TREE,
  encodeLayerIndex,
  type Member,
  indexLayer,
  type LayerIndex,
  segmentTar,
  type SegmentCompressionOptions,
  withSegmentTable,
  writeLayerTar,
} from "./index.ts";

const MIB = 1024 * 1024;
const collect = (stream: AsyncIterable<Uint8Array>) => collectBytes(stream, 1e9, () => new Error("limit"));

/** Bytes that compress a little, the same for the same seed. */
function noise(size: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let state = seed + 1;
  for (let i = 0; i < size; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    bytes[i] = (state >>> 24) & 0x3f;
  }
  return bytes;
}

const READER: ContentReader = {
  open: (ref) => Promise.resolve(streamOf(ref.kind === "bytes" ? ref.bytes : new Uint8Array(0))),
  digest: () => Promise.reject(new Error("not asked for")),
};

type Files = ReadonlyMap<string, Uint8Array>;
function layerOf(files: Files) {
  const builder = createTreeBuilder();
  for (const [path, bytes] of files) {
    builder.set({
      path: path as BytePath,
      type: "file",
      mode: 0o644,
      uid: 0,
      gid: 0,
      mtime: 0,
      size: bytes.length,
      content: { kind: "bytes", bytes, size: bytes.length },
    });
  }
  return writeLayerTar(diffTrees(EMPTY_TREE, builder.finish()), READER);
}
async function compressed(files: Files, options?: SegmentCompressionOptions) {
  const tar = layerOf(files);
  const layer = compressLayer(tar, options);
  const blob = await collect(layer.stream);
  return { blob, ...layer, ...(await tar.finished) };
}

async function indexed(files: Files): Promise<LayerIndex> {
  const tar = layerOf(files);
  for await (const _ of tar.stream);
  return (await tar.finished).index;
}

const FILES: Files = new Map<string, Uint8Array>([
  ...Array.from({ length: 400 }, (_, i): [string, Uint8Array] => [`app/module${i}/index.js`, noise(5_000 + 37 * i, i)]),
  ["app/big.bin", noise(3 * MIB + 5, 1000)],
  ["app/empty", new Uint8Array(0)],
]);

const SMALL: Files = new Map([...FILES].slice(0, 60));

function digests(index: LayerIndex): Digest[] {
  return index.segments.map((segment) => segment.digest);
}

describe("cuts", () => {
  test("segments cover the tar, none is large, and their digests are of their bytes", async () => {
    const tar = layerOf(FILES);
    const bytes = await collect(tar.stream);
    const { index } = await tar.finished;
    let offset = 0;
    for (const segment of index.segments) {
      expect(segment.offset).toBe(offset);
      expect(segment.size).toBeLessThan(5 * MIB);
      expect(segment.digest).toBe(digestFromHex(sha256Hex(bytes.subarray(offset, offset + segment.size))));
      offset += segment.size;
    }
    expect(offset).toBe(bytes.length);
    expect(index.segments.length).toBeGreaterThan(7);
    // cut by the cuts of the index it gives the same
    const again = [];
    for await (const segment of segmentTar(streamOf(bytes.subarray(0, 999), bytes.subarray(999)), cutsOf(index.segments)))
      again.push({ offset: segment.offset, size: segment.bytes.length, digest: segment.digest });
    expect(again).toEqual(index.segments);
  });

  test("a file that is added, grows or goes moves the cuts near it only", async () => {
    const before = digests(await indexed(FILES));
    const changes: Record<string, (files: Map<string, Uint8Array>) => void> = {
      added: (files) => files.set("app/module133/zzz.js", noise(9_000, 5)),
      grown: (files) => files.set("app/module200/index.js", noise(40_000, 6)),
      gone: (files) => files.delete("app/module77/index.js"),
      first: (files) => files.set("app/a", noise(70_000, 7)),
    };
    for (const [what, change] of Object.entries(changes)) {
      const files = new Map(FILES);
      change(files);
      const after = digests(await indexed(files));
      const fresh = after.filter((digest) => !before.includes(digest)).length;
      expect(fresh, what).toBeGreaterThan(0);
      expect(fresh, what).toBeLessThanOrEqual(3);
    }
  });

  test("a large file is cut by itself: what precedes it doesn't matter", async () => {
    const big = FILES.get("app/big.bin") ?? new Uint8Array(0);
    const alone = digests(await indexed(new Map([["app/big.bin", big]])));
    const among = digests(await indexed(FILES));
    // all but the first, which holds the directory, and the last, which holds the end
    for (const digest of alone.slice(1, -1)) expect(among).toContain(digest);
    expect(alone.length).toBeGreaterThanOrEqual(5);
  });
});

describe("compression", () => {
  test("the bytes do not depend on how many are compressed at once, nor on what is reused", async () => {
    const one = await compressed(FILES, { concurrency: 1 });
    const many = await compressed(FILES, { concurrency: 16 });
    const members = new Map<Digest, Member>();
    let at = 0;
    one.index.segments.forEach((segment, i) => {
      const size = one.sizes[i] ?? 0;
      const bytes = one.blob.subarray(at, at + size);
      expect(one.members[i]).toBe(crc32(bytes));
      if (i % 2 === 0) members.set(segment.digest, { bytes, crc32: crc32(bytes) });
      at += size;
    });
    const reused = await compressed(FILES, { reuse: (digest) => Promise.resolve(members.get(digest)) });
    expect(sha256Hex(many.blob)).toBe(sha256Hex(one.blob));
    expect(sha256Hex(reused.blob)).toBe(sha256Hex(one.blob));
    expect(reused.members).toEqual(one.members);
    expect(reused.counts).toEqual({ compressed: one.sizes.length - members.size, reused: members.size });
    expect(one.sizes.reduce((sum, size) => sum + size, 0)).toBe(one.blob.length);
    expect(sha256Hex(await collect(decompress(streamOf(one.blob))))).toBe(one.diffID.slice("sha256:".length));
  });

  test("levels", async () => {
    const fast = await compressed(SMALL, { codec: createCodec("gzip", { level: 1 }) });
    const best = await compressed(SMALL, { codec: createCodec("gzip", { level: 9 }) });
    expect(best.blob.length).toBeLessThan(fast.blob.length);
    expect(best.diffID).toBe(fast.diffID);
  });

  test("no more segments are held than are under way", async () => {
    let given = 0;
    let taken = 0;
    let most = 0;
    const tar = await collect(layerOf(FILES).stream);
    const index = await indexLayer(streamOf(tar));
    async function* counted() {
      for await (const segment of segmentTar(streamOf(tar), cutsOf(index.segments))) {
        most = Math.max(most, ++given - taken);
        yield segment;
      }
    }
    for await (const _ of compressSegments(counted(), { concurrency: 3 }).stream) taken++;
    expect(taken).toBe(index.segments.length);
    expect(most).toBeLessThanOrEqual(3);
  });

  test("a failing tar, a failing reuse, a signal and a reader that leaves", async () => {
    const failing = async function* () {
      yield noise(100, 1);
      throw new Error("gone");
    };
    await expect(collect(compressLayer({ stream: failing(), cuts: cutsOf([]) }).stream)).rejects.toThrow("gone");
    await expect(collect(compressLayer(layerOf(FILES), { reuse: () => Promise.reject(new Error("no store")) }).stream)).rejects.toThrow("no store");
    await expect(collect(compressLayer(layerOf(FILES), { signal: AbortSignal.abort(new Error("enough")) }).stream)).rejects.toThrow("enough");
    const tar = layerOf(FILES);
    for await (const _ of compressLayer(tar).stream) break;
    await expect(tar.finished).rejects.toThrow(/left before its end/);
  });
});

describe("reading by segments", () => {
  test("any file from its own segments alone; the table survives the index's encoding", async () => {
    const { blob, index, sizes, members } = await compressed(FILES);
    const table = { blob: digestFromHex(sha256Hex(blob)), encoding: "gzip-6 test", sizes, members };
    const stored = decodeLayerIndex(concatBytes(encodeLayerIndex(withSegmentTable(withSegmentTable(index, { ...table, encoding: "older" }), table))));
    expect(stored.tables).toEqual([table]);
    expect(stored.segments).toEqual(index.segments);
    for (const entry of [...stored.entries()].filter((each, i) => each.kind === "file" && (i % 40 === 0 || each.size > MIB))) {
      const needed: Uint8Array[] = [];
      let skipped = 0;
      let at = 0;
      stored.segments.forEach((segment, i) => {
        const member = blob.subarray(at, (at += sizes[i] ?? 0));
        if (segment.offset + segment.size <= entry.offset) skipped = segment.offset + segment.size;
        else if (segment.offset < entry.offset + entry.size) needed.push(member);
      });
      const tar = await collect(decompress(streamOf(...needed)));
      expect(tar.length).toBeLessThan(entry.size + 2 * 5 * MIB);
      expect(sha256Hex(tar.subarray(entry.offset - skipped, entry.offset - skipped + entry.size))).toBe(sha256Hex(FILES.get(entry.path) ?? new Uint8Array(0)));
    }
  });
});

describe("an index", () => {
  const digest = (digit: string) => digestFromHex(digit.repeat(64));
  /** What the version before CRCs wrote: two segments, a table. */
  const OLDER =
    `766c6902${"1".repeat(64)}8018000280` +
    `10${"2".repeat(64)}8008${"3".repeat(64)}01${"4".repeat(64)}0b677a69702d36207465737402ac0228${"5".repeat(64)}${"6".repeat(64)}00`;

  test("keeps the CRCs of segments and members", async () => {
    const { index, sizes, members } = await compressed(SMALL);
    const segments = index.segments.map((segment, i) => ({ ...segment, crc32: 0xffffffff - i }));
    const table = { blob: digest("4"), encoding: "gzip-6 test", sizes, members };
    const stored = decodeLayerIndex(concatBytes(encodeLayerIndex(withSegmentTable({ ...index, segments }, table))));
    expect(stored.segments).toEqual(segments);
    expect(stored.tables).toEqual([table]);
  });

  test("of the version before CRCs is read, and keeps its digests", () => {
    const older = decodeLayerIndex(Buffer.from(OLDER, "hex"));
    expect(older.segments).toEqual([
      { offset: 0, size: 2048, digest: digest("2") },
      { offset: 2048, size: 1024, digest: digest("3") },
    ]);
    const table = { blob: digest("4"), encoding: "gzip-6 test", sizes: [300, 40], members: [digest("5"), digest("6")] };
    expect(older.tables).toEqual([table]);
    const newer = { blob: digest("7"), encoding: "gzip-6 test", sizes: [300, 40], members: [1, 0xffffffff] };
    expect(decodeLayerIndex(concatBytes(encodeLayerIndex(withSegmentTable(older, newer)))).tables).toEqual([table, newer]);
  });
});

describe("an index that is damaged", () => {
  test("cut short, of another version, followed by something: a typed error, never a wrong index", async () => {
    const files = new Map([
      ["d/f", noise(100, 1)],
      ["d/g", noise(9, 2)],
    ]);
    const bytes = concatBytes(encodeLayerIndex((await compressed(files)).index));
    const refused = expect.objectContaining({ code: "LAYER_INVALID_INDEX" }) as Error;
    for (let length = 0; length < bytes.length; length++)
      expect(() => [...decodeLayerIndex(bytes.subarray(0, length)).entries()], `${length} bytes`).toThrow(refused);
    expect(() => decodeLayerIndex(bytes.with(3, 99))).toThrow(refused);
    expect(() => decodeLayerIndex(bytes.with(0, 99))).toThrow(refused);
    expect(() => decodeLayerIndex(concatBytes([bytes, Uint8Array.of(0)]))).toThrow(refused);
  });
});

describeWithTools(["gzip"], "gzip", () => {
  test("accepts the members", async () => {
    const { blob, diffID } = await compressed(FILES);
    execFileSync("gzip", ["-t"], { input: blob });
    expect(sha256Hex(execFileSync("gzip", ["-dc"], { input: blob, maxBuffer: 1e9 }))).toBe(diffID.slice("sha256:".length));
  });
});
