import { execFileSync } from "node:child_process";
import { sha256Hex } from "@varve/archive";
import { type BytePath, collectBytes, concatBytes, giveRoom, ROOT, streamOf, takeRoom, toBytePath } from "@varve/bytes";
import { digestFromHex } from "@varve/oci";
import { describeWithTools } from "@varve/testkit";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  applyChanges,
  type ChangeSet,
  type ContentReader,
  createTreeBuilder,
  decodeLayerIndex,
  diffTrees,
  EMPTY_TREE,
  encodeLayerIndex,
  type Entry,
  type FileTree,
  indexLayer,
  type LayerWriteOptions,
  mergeLayer,
  type NewEntry,
  type SameContent,
  withParents,
  writeLayerTar,
} from "./index.ts";

const path = toBytePath;
const bytesOf = (content: Entry["content"]) => (content?.kind === "bytes" ? content.bytes : new Uint8Array(0));
const READER: ContentReader = {
  open: (ref) => Promise.resolve(streamOf(bytesOf(ref))),
  digest: (ref) => Promise.resolve(digestFromHex(sha256Hex(bytesOf(ref)))),
};
const digestOf = (content: Entry["content"]) => (content?.kind === "layer" ? content.digest : digestFromHex(sha256Hex(bytesOf(content))));
const sameContent: SameContent = (a, b) => digestOf(a) === digestOf(b);
const file = (at: string, text = "", rest: Partial<NewEntry> = {}): NewEntry => {
  const bytes = new TextEncoder().encode(text);
  return {
    path: at as BytePath,
    type: "file",
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtime: 1_700_000_000,
    size: bytes.length,
    content: { kind: "bytes", bytes, size: bytes.length },
    ...rest,
  };
};

async function write(changes: ChangeSet, options?: LayerWriteOptions) {
  const layer = writeLayerTar(changes, READER, options);
  const bytes = await collectBytes(layer.stream, 1e9, () => new Error("limit"));
  return { bytes, ...(await layer.finished) };
}

const name = fc.constantFrom("a", "b", "a.b", "\xff", "n".repeat(120), "wh.a");
const anyPath = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join("/") as BytePath);
const metadata = {
  mode: fc.constantFrom(0o644, 0o4755, 0),
  uid: fc.constantFrom(0, 8 ** 7),
  gid: fc.nat(1),
  mtime: fc.constantFrom(0, 1_700_000_000, -7, 8 ** 11),
};
const kinds: fc.Arbitrary<Partial<NewEntry>> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .uint8Array({ maxLength: 700 })
      .map((bytes): Partial<NewEntry> => ({ type: "file", size: bytes.length, content: { kind: "bytes", bytes, size: bytes.length } })),
  },
  { weight: 2, arbitrary: fc.constant<Partial<NewEntry>>({ type: "directory" }) },
  fc.constantFrom("t", "/t", "t".repeat(101)).map((target): Partial<NewEntry> => ({ type: "symlink", linkTarget: path(target) })),
  fc.constantFrom(1, 2 ** 22).map((minor): Partial<NewEntry> => ({ type: "char", device: { major: 5, minor } })),
  fc.constant<Partial<NewEntry>>({ type: "fifo" }),
);
const xattrs = fc.constantFrom<Partial<NewEntry>>({}, {}, { xattrs: new Map([["security.capability", Uint8Array.of(0, 10, 255)]]) });
const entry = fc
  .tuple(anyPath, fc.record(metadata), kinds, xattrs)
  .map(([at, common, kind, attributes]) => ({ path: at, size: 0, ...common, ...kind, ...attributes }) as NewEntry);
type Step = { readonly set: NewEntry } | { readonly link: readonly [BytePath, BytePath] } | { readonly remove: BytePath };
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: entry.map((set): Step => ({ set })) },
  { weight: 2, arbitrary: fc.tuple(anyPath, anyPath).map((link): Step => ({ link })) },
  { weight: 1, arbitrary: anyPath.map((remove): Step => ({ remove })) },
);

function build(base: FileTree, steps: readonly Step[]): FileTree {
  const builder = createTreeBuilder(base);
  for (const each of steps) {
    try {
      if ("set" in each) builder.set(each.set);
      else if ("link" in each) builder.link(...each.link);
      else builder.remove(each.remove);
    } catch {
      // what a builder refuses is not what is tested here
    }
  }
  return builder.finish();
}

/** Two trees: the second made from the first, or from nothing. */
const pair = fc.tuple(fc.array(step, { maxLength: 12 }), fc.array(step, { maxLength: 12 }), fc.boolean()).map(([first, second, derived]) => {
  const base = build(EMPTY_TREE, first);
  return { base, next: build(derived ? base : EMPTY_TREE, second) };
});

const listing = (tree: FileTree) =>
  [...tree.walk()].map(({ node: _, content, ...rest }) => ({ ...rest, content: content === undefined ? undefined : digestOf(content) }));
/** Which of `paths` are hardlinks of one another. */
const groups = (tree: FileTree, paths: readonly BytePath[]) => {
  const found = new Map<number, BytePath[]>();
  for (const at of paths) {
    const node = tree.lookup(at)?.node ?? -1;
    found.set(node, [...(found.get(node) ?? []), at]);
  }
  return [...found.values()];
};

describe("a layer is the difference of two trees", () => {
  test("apply(base, diff(base, next)) = next", () => {
    fc.assert(
      fc.property(pair, ({ base, next }) => {
        const changes = diffTrees(base, next);
        const applied = applyChanges(base, changes);
        expect(listing(applied)).toEqual(listing(next));
        const changed = [...changes.changes].filter((change) => change.kind !== "deleted").map((change) => change.path);
        expect(groups(applied, changed)).toEqual(groups(next, changed));
        expect([...diffTrees(base, base).changes]).toEqual([]);
      }),
      { numRuns: 400 },
    );
  });

  test("merge(base, read(write(diff(base, next)))) = next, and the index that was written is the one that is read", async () => {
    await fc.assert(
      fc.asyncProperty(pair, async ({ base, next }) => {
        const lower = mergeLayer(EMPTY_TREE, (await write(diffTrees(EMPTY_TREE, base))).index);
        expect(listing(lower)).toEqual(listing(base));
        const changes = withParents(next, diffTrees(lower, next, sameContent));
        const written = await write(changes);
        const read = await indexLayer(streamOf(written.bytes));
        expect([...read.entries()]).toEqual([...written.index.entries()]);
        expect([read.diffID, read.size, read.segments]).toEqual([written.diffID, written.size, written.index.segments]);
        expect([...decodeLayerIndex(concatBytes(encodeLayerIndex(read))).entries()]).toEqual([...read.entries()]);
        const merged = mergeLayer(lower, read);
        expect(listing(merged)).toEqual(listing(next));
        const changed = [...changes.changes].filter((change) => change.kind !== "deleted" && change.entry.type !== "directory").map((change) => change.path);
        expect(groups(merged, changed)).toEqual(groups(next, changed));
      }),
      { numRuns: 200 },
    );
  });

  test("parents of changed paths are in the layer with their own metadata, the root is not", () => {
    const base = build(EMPTY_TREE, [{ set: file("a/b/old") }, { set: file("a/c/other") }, { set: { ...file("a"), type: "directory", mode: 0o700 } }]);
    const next = build(base, [{ remove: path("a/b/old") }, { set: file("d/new") }]);
    const changes = [...withParents(next, diffTrees(base, next)).changes];
    expect(changes.map((change) => [change.kind, change.path])).toEqual([
      ["modified", "a"],
      ["modified", "a/b"],
      ["deleted", "a/b/old"],
      ["added", "d"],
      ["added", "d/new"],
    ]);
    expect(changes[0]).toMatchObject({ entry: { mode: 0o700 } });
  });
});

describe("bytes", () => {
  const tree = build(EMPTY_TREE, [
    { set: file("etc/passwd", "root\n") },
    {
      set: file("usr/bin/tool", "#!", {
        mode: 0o4755,
        uid: 7,
        xattrs: new Map([
          ["security.capability", Uint8Array.of(1)],
          ["user.note", Uint8Array.of(2)],
          ["security.selinux", Uint8Array.of(3)],
          ["trusted.overlay.opaque", Uint8Array.of(4)],
        ]),
      }),
    },
    { link: [path("usr/bin/alias"), path("usr/bin/tool")] },
    { set: file("time", "", { mtime: 1234.99 }) },
  ]);

  test("sorted, relative, without what a layer should not say", async () => {
    const { index } = await write({ changes: [{ kind: "deleted", path: path("old") }, ...[...diffTrees(EMPTY_TREE, tree).changes].toReversed()] });
    expect([...index.entries()].map(({ kind, path: at, linkTarget }) => [kind, at, linkTarget ?? ""])).toEqual([
      ["directory", "etc", ""],
      ["file", "etc/passwd", ""],
      ["whiteout", "old", ""],
      ["file", "time", ""],
      ["directory", "usr", ""],
      ["directory", "usr/bin", ""],
      ["file", "usr/bin/alias", ""],
      ["hardlink", "usr/bin/tool", "usr/bin/alias"],
    ]);
    const entries = [...index.entries()];
    expect(entries.find((each) => each.path === "time")?.mtime).toBe(1234);
    expect([...(entries.find((each) => each.path === "usr/bin/tool")?.xattrs?.keys() ?? [])]).toEqual(["security.capability"]);
  });

  test("do not depend on the order of the changes, and stay as they are from release to release", async () => {
    const changes = [...diffTrees(EMPTY_TREE, tree).changes];
    const { diffID } = await write({ changes });
    expect((await write({ changes: changes.toReversed() })).diffID).toBe(diffID);
    // a change here changes every digest varve makes: only on purpose
    expect(diffID).toMatchInlineSnapshot(`"sha256:b12c5c213f9557bc39b6a4d1ea34e6c69eb7fa6f9cb86dd3edab188415eeeed6"`);
  });

  test("an empty layer is the end marker", async () => {
    const { bytes, index } = await write({ changes: [] });
    expect(bytes).toEqual(new Uint8Array(1024));
    expect([index.entryCount, index.segments.length]).toEqual([0, 1]);
  });

  test("times past the latest are brought back to it", async () => {
    const { index } = await write(diffTrees(EMPTY_TREE, tree), { latestTime: 1000 });
    expect(new Set([...index.entries()].map((each) => each.mtime))).toEqual(new Set([0, 1000]));
  });

  test("a root that changed is ./", async () => {
    const { bytes, index } = await write(diffTrees(EMPTY_TREE, build(EMPTY_TREE, [{ set: { ...file(""), path: ROOT, type: "directory", mode: 0o700 } }])));
    expect(Buffer.from(bytes).toString("latin1", 0, 4)).toBe("./\0\0");
    expect([...index.entries()]).toMatchObject([{ kind: "directory", path: "", mode: 0o700 }]);
  });
});

describe("failures reach who reads the stream and who waits for its end", () => {
  const changes = diffTrees(EMPTY_TREE, build(EMPTY_TREE, [{ set: file("f", "content") }]));
  const both = async (layer: ReturnType<typeof writeLayerTar>, expected: unknown) => {
    await expect(collectBytes(layer.stream, 1e9, () => new Error("limit"))).rejects.toThrow(expected);
    await expect(layer.finished).rejects.toThrow(expected);
  };

  test.each([
    ["fewer", "short"],
    ["more", "much longer"],
  ])("%s bytes than listed", async (_, text) => {
    await both(
      writeLayerTar(changes, { ...READER, open: () => Promise.resolve(streamOf(Buffer.from(text))) }),
      expect.objectContaining({ code: "LAYER_CONTENT_SIZE" }),
    );
  });

  test("a reader that fails", async () => {
    await both(writeLayerTar(changes, { ...READER, open: () => Promise.reject(new Error("unreadable")) }), new Error("unreadable"));
  });

  test("a signal", async () => {
    await both(writeLayerTar(changes, READER, { signal: AbortSignal.abort(new Error("enough")) }), new Error("enough"));
  });

  test("a name that would be a whiteout", async () => {
    for (const at of [".wh.f", "d/.wh..wh..opq", ".wh.d/f"]) {
      await both(
        writeLayerTar({ changes: [{ kind: "added", path: path(at), entry: { ...file(at), node: 1 } }] }, READER),
        expect.objectContaining({ code: "LAYER_INVALID_ENTRY" }),
      );
    }
  });

  test("a stream that is left", async () => {
    const layer = writeLayerTar(changes, READER);
    for await (const _ of layer.stream) break;
    await expect(layer.finished).rejects.toThrow(/left before its end/);
  });
});

describeWithTools(["tar"], "GNU tar", () => {
  test("reads a layer without a word", async () => {
    const tree = build(EMPTY_TREE, fc.sample(step, { numRuns: 60, seed: 11 }));
    const { bytes, index } = await write(diffTrees(EMPTY_TREE, tree));
    const listed = execFileSync("tar", ["--quoting-style=literal", "-tf", "-"], { input: bytes, stdio: ["pipe", "pipe", "inherit"] })
      .toString("latin1")
      .trim()
      .split("\n");
    expect(listed).toEqual([...index.entries()].map((each) => `${each.path}${each.kind === "directory" ? "/" : ""}`));
  });
});

test("room that a large content comes in is given back, also where a cut divides it", async () => {
  const [piece, count] = [256 * 1024, 64];
  const rooms = new Set<ArrayBufferLike>();
  async function* inRoom(): AsyncGenerator<Uint8Array, void, undefined> {
    for (let i = 0; i < count; i++) {
      const room = takeRoom(piece).fill(i);
      rooms.add(room.buffer);
      yield await Promise.resolve(room);
    }
  }
  const reader: ContentReader = { ...READER, open: () => Promise.resolve(inRoom()) };
  const size = piece * count;
  const large = { ...file("large"), size, content: { kind: "bytes", bytes: new Uint8Array(0), size }, node: 1 } as const;
  const layer = writeLayerTar({ changes: [{ kind: "added", path: path("large"), entry: large }] }, reader);
  let position = 0;
  for await (const bytes of layer.stream) {
    // the header's block comes first
    for (let at = 0; at < bytes.length; at += 4096) {
      const from = position + at - 512;
      if (from >= 0 && from < size) expect(bytes[at]).toBe(Math.floor(from / piece));
    }
    position += bytes.length;
    giveRoom(bytes);
  }
  expect(rooms.size).toBeLessThan(8);
});
