import { baseName, type BytePath, comparePaths, parentPath, ROOT, toBytePath } from "@varve/bytes";
import { digestFromHex, type DiffID } from "@varve/oci";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type ContentRef, createTreeBuilder, EMPTY_TREE, type Entry, type FileTree, type NewEntry, type TreeBuilder } from "./index.ts";

const path = (text: string): BytePath => toBytePath(text);
const FILE = { type: "file", mode: 0o644, uid: 0, gid: 0, mtime: 0, size: 0, content: { kind: "bytes", bytes: new Uint8Array(0), size: 0 } } as const;
const DIRECTORY = { type: "directory", mode: 0o755, uid: 0, gid: 0, mtime: 0, size: 0 } as const;
const paths = (tree: FileTree) => [...tree.walk()].map((entry) => entry.path);

let nextNode = 1;

/** What a builder does, on a plain map: slow and evident. */
function createModel(base: ReadonlyMap<BytePath, Entry> = new Map([[ROOT, { ...DIRECTORY, path: ROOT, node: 0 }]])) {
  const entries = new Map(base);
  const below = (top: BytePath) => [...entries.keys()].filter((key) => key === top || key.startsWith(`${top}/`));

  const addParents = (of: BytePath): boolean => {
    const missing: BytePath[] = [];
    for (let parent = parentPath(of); ; parent = parentPath(parent)) {
      const found = entries.get(parent);
      if (found !== undefined) {
        if (found.type !== "directory") return false;
        break;
      }
      missing.push(parent);
    }
    for (const parent of missing) entries.set(parent, { ...DIRECTORY, path: parent, node: nextNode++ });
    return true;
  };
  return {
    entries,
    set(entry: NewEntry) {
      if (!addParents(entry.path)) return;
      if (entry.type !== "directory" || entries.get(entry.path)?.type !== "directory") for (const key of below(entry.path)) entries.delete(key);
      entries.set(entry.path, { ...entry, node: nextNode++ });
    },
    remove: (at: BytePath) => below(at).forEach((key) => entries.delete(key)),
    link(at: BytePath, target: BytePath) {
      const found = entries.get(target);
      if (found === undefined || found.type === "directory" || at === target || !addParents(at)) return;
      for (const key of below(at)) entries.delete(key);
      entries.set(at, { ...found, path: at });
    },
  };
}

type Operation = (target: Pick<TreeBuilder, "set" | "remove" | "link">) => void;
const name = fc.constantFrom("a", "a-", "a.b", "b", "\xff");
const anyPath = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join("/") as BytePath);
const content: fc.Arbitrary<ContentRef & { size: number }> = fc.oneof(
  fc.record({
    kind: fc.constant("layer" as const),
    diffID: fc.constantFrom("1", "2").map((c) => `sha256:${c.repeat(64)}` as DiffID),
    offset: fc.nat(2 ** 31),
    size: fc.maxSafeNat(),
  }),
  fc.record({
    kind: fc.constant("layer" as const),
    diffID: fc.constant(`sha256:${"3".repeat(64)}` as DiffID),
    offset: fc.nat(),
    size: fc.nat(),
    digest: fc.constantFrom("4", "5").map((c) => digestFromHex(c.repeat(64))),
  }),
  fc.record({
    kind: fc.constant("disk" as const),
    path: anyPath,
    size: fc.nat(),
    stat: fc
      .record({
        device: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        inode: fc.bigInt({ min: 0n, max: 2n ** 65n }),
        mtimeNs: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
        ctimeNs: fc.bigInt({ min: 0n, max: 2n ** 64n }),
      })
      .map((stat) => ({
        device: String(stat.device),
        inode: String(stat.inode),
        mtimeNs: String(stat.mtimeNs),
        ctimeNs: String(stat.ctimeNs),
      })),
  }),
  fc.uint8Array({ maxLength: 5 }).map((bytes) => ({ kind: "bytes" as const, bytes, size: bytes.length })),
  fc.record({ kind: fc.constant("snapshot" as const), snapshot: fc.constant("s"), path: anyPath, size: fc.nat() }),
);
const metadata = { mode: fc.nat(0o7777), uid: fc.constantFrom(0, 1000, 0xffffffff), gid: fc.nat(3), mtime: fc.integer({ min: -5, max: 2 ** 40 }) };
const xattrs = fc.option(
  fc.uint8Array({ maxLength: 3 }).map((value) => new Map([["security.capability", value]])),
  { nil: undefined },
);
const entry: fc.Arbitrary<NewEntry> = fc
  .oneof(
    fc.record({ type: fc.constant("file" as const), path: anyPath, ...metadata, content }).map((file): NewEntry => ({ ...file, size: file.content.size })),
    fc.record({ type: fc.constant("directory" as const), path: anyPath, ...metadata, size: fc.constant(0) }),
    fc.record({ type: fc.constant("symlink" as const), path: anyPath, ...metadata, size: fc.constant(0), linkTarget: anyPath }),
    fc.record({
      type: fc.constantFrom("char" as const, "block" as const),
      path: anyPath,
      ...metadata,
      size: fc.constant(0),
      device: fc.record({ major: fc.nat(), minor: fc.nat() }),
    }),
    fc.record({ type: fc.constant("fifo" as const), path: anyPath, ...metadata, size: fc.constant(0) }),
  )
  .chain((value) => xattrs.map((attributes) => (attributes === undefined ? value : { ...value, xattrs: attributes })));
const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 4,
    arbitrary: entry.map(
      (value): Operation =>
        (target) =>
          target.set(value),
    ),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(anyPath, anyPath).map(
      ([at, to]): Operation =>
        (target) =>
          target.link(at, to),
    ),
  },
  {
    weight: 1,
    arbitrary: anyPath.map(
      (at): Operation =>
        (target) =>
          target.remove(at),
    ),
  },
);

/** Node numbers replaced by the first path that has them: only which entries share one matters. */
function normalized(entries: Iterable<Entry>): readonly unknown[] {
  const first = new Map<number, BytePath>();
  return [...entries].map(({ node, ...rest }) => {
    if (!first.has(node)) first.set(node, rest.path);
    return { ...rest, node: first.get(node) };
  });
}

function run(operations: readonly Operation[], target: Pick<TreeBuilder, "set" | "remove" | "link">): void {
  for (const apply of operations) {
    try {
      apply(target);
    } catch (error) {
      expect((error as { code?: string }).code).toBe("LAYER_INVALID_ENTRY");
    }
  }
}

describe("a builder does what a map would do", () => {
  test("from nothing, and from trees of trees", () => {
    fc.assert(
      fc.property(fc.array(fc.array(operation, { maxLength: 12 }), { minLength: 1, maxLength: 4 }), (generations) => {
        let model = createModel();
        let tree: FileTree = EMPTY_TREE;
        for (const operations of generations) {
          const before = normalized(tree.walk());
          const builder = createTreeBuilder(tree);
          model = createModel(model.entries);
          run(operations, builder);
          run(operations, model);
          const next = builder.finish();
          const expected = [...model.entries.values()].sort((a, b) => comparePaths(a.path, b.path));
          expect(normalized(next.walk())).toEqual(normalized(expected));
          expect(next.size).toBe(expected.length);
          // the tree it started from has not changed
          expect(normalized(tree.walk())).toEqual(before);
          tree = next;
        }
        for (const [at, found] of model.entries) {
          expect(normalized([tree.lookup(at)!])).toEqual(normalized([found]));
          const children = [...model.entries.keys()].filter((key) => key !== ROOT && parentPath(key) === at).map(baseName);
          expect(tree.list(at)).toEqual(children.sort());
          expect(normalized(tree.walk(at))).toEqual(
            normalized(
              [...model.entries.values()]
                .filter((e) => at === ROOT || e.path === at || e.path.startsWith(`${at}/`))
                .sort((a, b) => comparePaths(a.path, b.path)),
            ),
          );
        }
      }),
      { numRuns: 200 },
    );
  });

  test("any tree that is a FileTree can be built upon", () => {
    const builder = createTreeBuilder();
    builder.set({ ...FILE, path: path("d/f") });
    builder.link(path("d/g"), path("d/f"));
    const inner = builder.finish();
    const foreign: FileTree = {
      size: inner.size,
      lookup: (at) => inner.lookup(at),
      list: (at) => inner.list(at),
      walk: (at) => inner.walk(at),
      isLinked: (node) => inner.isLinked(node),
    };
    const copy = createTreeBuilder(foreign);
    copy.set({ ...FILE, path: path("new") });
    const tree = copy.finish();
    expect(paths(tree)).toEqual(["", "d", "d/f", "d/g", "new"]);
    expect(tree.lookup(path("d/f"))?.node).toBe(tree.lookup(path("d/g"))?.node);
  });
});

describe("lookups", () => {
  const builder = createTreeBuilder();
  builder.set({ ...FILE, path: path("dir/file") });
  builder.set({ type: "symlink", path: path("link"), mode: 0o777, uid: 0, gid: 0, mtime: 0, size: 0, linkTarget: path("dir") });
  const tree = builder.finish();

  test.each([
    "nothing",
    "dir/nothing",
    "dir/file/below",
    "link/file",
    "dir/",
    "/dir",
    "dir//file",
    "./dir",
    "di",
    "dir/fil",
    "dir/file2",
    "__proto__",
    "constructor",
  ])("%s is not there", (at) => {
    expect(tree.lookup(path(at))).toBeUndefined();
    expect(tree.list(path(at))).toEqual([]);
    expect([...tree.walk(path(at))]).toEqual([]);
  });

  test("parents that nobody set are 0755, root's, and old", () => {
    expect(tree.lookup(path("dir"))).toMatchObject({ type: "directory", mode: 0o755, uid: 0, gid: 0, mtime: 0 });
  });

  test("siblings by bytes, parents first", () => {
    const many = createTreeBuilder();
    for (const at of ["a.c", "a/b", "a-c", "b", "B", "\xe9", "a0"]) many.set({ ...FILE, path: at as BytePath });
    expect(paths(many.finish())).toEqual(["", "B", "a", "a/b", "a-c", "a.c", "a0", "b", "\xe9"]);
  });
});

describe("hardlinks", () => {
  test("entries set with one node are links of one another; the base's nodes are others", () => {
    const first = createTreeBuilder();
    first.set({ ...FILE, path: path("a"), node: 0 });
    const base = first.finish();
    const builder = createTreeBuilder(base);
    const node = base.lookup(path("a"))!.node;
    builder.set({ ...FILE, path: path("b"), node });
    builder.set({ ...FILE, path: path("c"), node });
    builder.set({ ...FILE, path: path("d"), node, mode: 0o600 });
    const tree = builder.finish();
    const [a, b, c, d] = ["a", "b", "c", "d"].map((at) => tree.lookup(path(at))!.node);
    expect(c).toBe(b);
    expect(new Set([a, b, d]).size).toBe(3);
  });

  test("a link outlives the path it was made from", () => {
    const builder = createTreeBuilder();
    builder.set({ ...FILE, path: path("a"), mode: 0o4711 });
    builder.link(path("b"), path("a"));
    builder.set({ ...FILE, path: path("a"), mode: 0o600 });
    const tree = builder.finish();
    expect(tree.lookup(path("b"))).toMatchObject({ mode: 0o4711 });
    expect(tree.lookup(path("b"))?.node).not.toBe(tree.lookup(path("a"))?.node);
  });
});

describe("refused", () => {
  const refused = (change: (builder: TreeBuilder) => void) =>
    expect(() => change(createTreeBuilder(EMPTY_TREE))).toThrow(expect.objectContaining({ code: "LAYER_INVALID_ENTRY" }));

  test.each(["/a", "a/", "a//b", "./a", "a/.", "..", "a/../b", "a\0b"])("the path %j", (at) => {
    refused((builder) => builder.set({ ...FILE, path: at as BytePath }));
    refused((builder) => builder.remove(at as BytePath));
    // also right after a sibling, whose directory is remembered
    refused((builder) => {
      builder.set({ ...FILE, path: path("sibling") });
      builder.set({ ...FILE, path: at as BytePath });
    });
  });

  test("paths past 4096 bytes, names past 255, more than 1024 directories", () => {
    const builder = createTreeBuilder();
    const at = (length: number) => `${"d/".repeat(100)}${"a/".repeat((length - 200 - 96) / 2)}${"n".repeat(96)}` as BytePath;
    builder.set({ ...FILE, path: "n".repeat(255) as BytePath });
    builder.set({ ...FILE, path: `${"x/".repeat(1023)}f` as BytePath });
    builder.set({ ...FILE, path: `${`${"l".repeat(255)}/`.repeat(15)}${"m".repeat(256 - 1)}` as BytePath });
    expect([...builder.finish().walk()].length).toBe(1 + 1 + 1024 + 16);
    refused((b) => b.set({ ...FILE, path: "n".repeat(256) as BytePath }));
    refused((b) => b.set({ ...FILE, path: `${"x/".repeat(1024)}f` as BytePath }));
    refused((b) => b.set({ ...FILE, path: at(4098) }));
    refused((b) => b.set({ ...FILE, path: `${`${"l".repeat(255)}/`.repeat(16)}m` as BytePath }));
  });

  test("the root as a file, the root removed, what is below a file, bad links", () => {
    refused((builder) => builder.set({ ...FILE, path: ROOT }));
    refused((builder) => builder.remove(ROOT));
    refused((builder) => {
      builder.set({ ...FILE, path: path("f") });
      builder.set({ ...FILE, path: path("f/g") });
    });
    refused((builder) => builder.link(path("a"), path("nothing")));
    refused((builder) => builder.link(path("a"), ROOT));
    refused((builder) => {
      builder.set({ ...FILE, path: path("f") });
      builder.link(path("f"), path("f"));
    });
  });
});
