import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { appendFile, chmod, link, mkdir, mkdtemp, readdir, rename, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { crc32 } from "node:zlib";
import { collectBytes, displayPath, toBytePath } from "@varve/bytes";
import { createTreeBuilder, type Entry, type FileTree } from "@varve/layer";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Digest } from "@varve/oci";
import { openDirectoryContext } from "./directory-context.ts";
import { listDirectory } from "./directory-walk.ts";
import { type DiskRef, stateOf } from "./disk-stat.ts";
import type { FileState } from "./file-states.ts";
import { createSelectionMemory } from "./selection-memory.ts";
import { createStatCache, type StatCache } from "./stat-cache.ts";

const DIGEST = `sha256:${"a".repeat(64)}` as Digest;
const EMPTY = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "varve-context-"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function treeOf(options: { dockerfile?: string; cache?: string } = {}): Promise<FileTree> {
  await using context = await openDirectoryContext({ path: root, ...options });
  return await context.tree();
}

function names(tree: FileTree): string[] {
  return [...tree.walk()].map((entry) => displayPath(entry.path)).filter((path) => path !== "");
}

function entryAt(tree: FileTree, path: string): Entry {
  const entry = tree.lookup(toBytePath(path));
  if (entry === undefined) throw new Error(`${path} is not in the tree`);
  return entry;
}

async function read(path: string): Promise<string> {
  await using context = await openDirectoryContext({ path: root });
  const entry = entryAt(await context.tree(), path);
  if (entry.content === undefined) throw new Error("no content");
  const bytes = await collectBytes(await context.reader.open(entry.content), 1e9, () => new Error("too long"));
  return new TextDecoder().decode(bytes);
}

describe("tree of a directory", () => {
  test("has modes, whole-second times, link targets and owners 0:0", async () => {
    await mkdir(join(root, "d"), { mode: 0o750 });
    await writeFile(join(root, "d/a"), "hello", { mode: 0o640 });
    await utimes(join(root, "d/a"), 1_700_000_000.9, 1_700_000_000.9);
    await symlink("d/a", join(root, "l"));
    const tree = await treeOf();
    expect(names(tree)).toEqual(["d", "d/a", "l"]);
    expect(entryAt(tree, "d/a")).toMatchObject({ type: "file", mode: 0o640, uid: 0, gid: 0, mtime: 1_700_000_000, size: 5 });
    expect(entryAt(tree, "l")).toMatchObject({ type: "symlink", linkTarget: "d/a" });
  });

  test("keeps names as bytes", async () => {
    await writeFile(Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0x66, 0xff, 0x6f])]), "x");
    expect([...(await treeOf()).list(toBytePath(""))]).toEqual(["f\u00ffo"]);
  });

  test("doesn't follow symlinks to directories; a socket is an empty file", async () => {
    await mkdir(join(root, "d"));
    await writeFile(join(root, "d/x"), "");
    await symlink("d", join(root, "l"));
    const server = createServer().listen(join(root, "s"));
    await new Promise((resolve) => server.once("listening", resolve));
    await using context = await openDirectoryContext({ path: root });
    const tree = await context.tree();
    const { type, content } = entryAt(tree, "s");
    expect(names(tree)).toEqual(["d", "d/x", "l", "s"]);
    expect({ type, digest: content === undefined ? "" : await context.reader.digest(content) }).toEqual({ type: "file", digest: EMPTY });
    await new Promise((resolve) => server.close(resolve));
  });

  test("answers as a tree that was built of its entries does", async () => {
    for (const file of ["a/b", "a/c/d", "a.c", "a-b/x", "a/b.c", "z/y/x/w", "\u00e9/e"]) {
      await mkdir(join(root, dirname(file)), { recursive: true });
      await writeFile(join(root, file), file);
    }
    await link(join(root, "a/b"), join(root, "z/b"));
    await mkdir(join(root, "empty"));
    const tree = await treeOf();
    const builder = createTreeBuilder();
    for (const entry of tree.walk()) if (entry.path !== "") builder.set(entry);
    const built = builder.finish();
    const shown = (entry: Entry | undefined): unknown => entry && { ...entry, node: undefined, content: entry.content?.size };
    expect(tree.size).toBe(built.size);
    for (const path of [...[...built.walk()].map((entry) => entry.path), ...["b", "a/b/c", "a.", "zz"].map(toBytePath)]) {
      expect(tree.list(path)).toEqual(built.list(path));
      expect(shown(tree.lookup(path))).toEqual(shown(built.lookup(path)));
      expect([...tree.walk(path)].map(shown)).toEqual([...built.walk(path)].map(shown));
    }
    expect(entryAt(tree, "z/b").node).toBe(entryAt(tree, "a/b").node);
    expect(tree.isLinked(entryAt(tree, "a/b").node)).toBe(true);
    expect(tree.isLinked(entryAt(tree, "a.c").node)).toBe(false);
  });

  test("finds hardlinks by inode and keeps FIFOs", async () => {
    await writeFile(join(root, "a"), "same");
    await link(join(root, "a"), join(root, "b"));
    await writeFile(join(root, "c"), "same");
    execFileSync("mkfifo", [join(root, "pipe")]);
    const tree = await treeOf();
    expect(entryAt(tree, "b").node).toBe(entryAt(tree, "a").node);
    expect(entryAt(tree, "c").node).not.toBe(entryAt(tree, "a").node);
    expect(entryAt(tree, "pipe").type).toBe("fifo");
  });

  test("is empty for an empty directory, and a root that is a symlink is followed", async () => {
    await mkdir(join(root, "real"));
    await writeFile(join(root, "real/x"), "");
    await symlink("real", join(root, "alias"));
    await using context = await openDirectoryContext({ path: join(root, "alias") });
    expect(names(await context.tree())).toEqual(["x"]);
    await rm(join(root, "real/x"));
    expect(names(await treeOf())).toEqual(["alias", "real"]);
  });
});

describe("ignore files", () => {
  beforeEach(async () => {
    await mkdir(join(root, "docs/deep"), { recursive: true });
    await mkdir(join(root, "src"));
    for (const file of ["docs/a.md", "docs/b.md", "docs/deep/c.md", "src/x", "top"]) await writeFile(join(root, file), file);
  });

  test("leave out what they name, with what is below", async () => {
    await writeFile(join(root, ".dockerignore"), "docs\n.dockerignore\n");
    expect(names(await treeOf())).toEqual(["src", "src/x", "top"]);
  });

  test("bring back children of an excluded directory, with their parents only", async () => {
    await writeFile(join(root, ".dockerignore"), "docs\n!docs/deep/c.md\n.dockerignore");
    expect(names(await treeOf())).toEqual(["docs", "docs/deep", "docs/deep/c.md", "src", "src/x", "top"]);
  });

  test("leave out an excluded directory when nothing below it is brought back", async () => {
    await writeFile(join(root, ".dockerignore"), "docs\n!docs/none\n.dockerignore");
    expect(names(await treeOf())).toEqual(["src", "src/x", "top"]);
  });

  test("beside the Dockerfile win over the context's", async () => {
    await writeFile(join(root, ".dockerignore"), "src");
    await writeFile(join(root, "my.Dockerfile"), "");
    await writeFile(join(root, "my.Dockerfile.dockerignore"), "*\n!top");
    expect(names(await treeOf({ dockerfile: join(root, "my.Dockerfile") }))).toEqual(["top"]);
  });
});

describe("contents", () => {
  test.each([0, 1, 131_072, 131_073, 1_000_000])("of %i bytes are read whole", async (size) => {
    await writeFile(join(root, "f"), "x".repeat(size));
    expect(await read("f")).toBe("x".repeat(size));
  });

  test.each([10, 300_000])("of %i bytes that change after they were listed are an error", async (size) => {
    await writeFile(join(root, "f"), "x".repeat(size));
    await using context = await openDirectoryContext({ path: root });
    const { content } = entryAt(await context.tree(), "f");
    await appendFile(join(root, "f"), "more");
    await expect((async () => collectBytes(await context.reader.open(content as never), 1e9, () => new Error("too long")))()).rejects.toMatchObject({
      code: "CONTEXT_CHANGED",
    });
    await expect(context.reader.digest(content as never)).rejects.toMatchObject({ code: "CONTEXT_CHANGED" });
  });

  test("aren't read through a symlink that took a directory's place", async () => {
    await mkdir(join(root, "d"));
    await writeFile(join(root, "d/f"), "inside");
    const outside = await mkdtemp(join(tmpdir(), "varve-outside-"));
    await writeFile(join(outside, "f"), "secret");
    await using context = await openDirectoryContext({ path: root });
    const { content } = entryAt(await context.tree(), "d/f");
    await rename(join(root, "d"), join(root, "moved"));
    await symlink(outside, join(root, "d"));
    await expect(context.reader.open(content as never)).rejects.toMatchObject({ code: "CONTEXT_CHANGED" });
    await rm(outside, { recursive: true });
  });

  test("have remembered digests only while their state is the same", async () => {
    const folder = await mkdtemp(join(tmpdir(), "varve-stat-"));
    await writeFile(join(root, "f"), "one");
    const digest = async (): Promise<string> => {
      await using context = await openDirectoryContext({ path: root, cache: join(folder, "x") });
      return await context.reader.digest(entryAt(await context.tree(), "f").content as never);
    };
    const first = await digest();
    expect(first).toBe("sha256:7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed");
    expect(await digest()).toBe(first);
    await writeFile(join(root, "f"), "two");
    expect(await digest()).not.toBe(first);
    await rm(folder, { recursive: true });
  });

  test("read many at once are whole, with their digests; one that changed is an error", async () => {
    const names_ = [...Array(50).keys()].map((i) => `f${i}-\u00e9`);
    for (const [i, name] of names_.entries()) await writeFile(join(root, name), Buffer.alloc(i * 37, i));
    await using context = await openDirectoryContext({ path: root });
    const tree = await context.tree();
    const { batches } = context.reader;
    const refs = names_.map((name) => entryAt(tree, name).content as DiskRef);
    const fill = async (): Promise<{ bytes: Uint8Array; digests: readonly Digest[] }> => {
      const contents = refs.map((ref, i) => ({ ref, offset: i * 2000 }));
      const bytes = new Uint8Array(new SharedArrayBuffer(2000 * 50));
      return { bytes, digests: (await batches?.readInto(bytes, contents))?.digests ?? [] };
    };
    expect(refs.every((ref) => batches?.takes(ref))).toBe(true);
    expect(batches?.takes({ kind: "bytes", bytes: new Uint8Array(1), size: 1 })).toBe(false);
    for (const { bytes, digests } of [await fill(), await fill()]) {
      for (const i of names_.keys()) {
        const content = Buffer.alloc(i * 37, i);
        expect(Buffer.from(bytes.subarray(i * 2000, i * 2000 + i * 37)).equals(content)).toBe(true);
        expect(digests[i]).toBe(`sha256:${createHash("sha256").update(content).digest("hex")}`);
      }
    }
    await appendFile(join(root, names_[30] ?? ""), "x");
    await expect(fill()).rejects.toMatchObject({ code: "CONTEXT_CHANGED", message: expect.stringContaining("f30") as string });
    await rm(join(root, names_[20] ?? ""));
    await expect(fill()).rejects.toMatchObject({ code: "CONTEXT_CHANGED", message: expect.stringContaining("f20") as string });
  });

  test("read at once into what is expected are not hashed when the CRC is that, and hashed when it isn't", async () => {
    await writeFile(join(root, "f"), "content");
    await using context = await openDirectoryContext({ path: root });
    const ref = entryAt(await context.tree(), "f").content as DiskRef;
    const fill = (expected?: { digest: Digest; crc32?: number }) =>
      context.reader.batches?.readInto(new Uint8Array(new SharedArrayBuffer(7)), [{ ref, offset: 0 }], { expected });
    const digest = `sha256:${createHash("sha256").update("content").digest("hex")}`;
    expect(await fill()).toEqual({ digests: [digest], whole: digest, crc32: crc32("content") });
    // not its digest, so that whether it is believed can be seen
    expect(await fill({ digest: DIGEST, crc32: crc32("content") })).toMatchObject({ digests: [digest], whole: DIGEST });
    expect(await fill({ digest: DIGEST, crc32: crc32("others") })).toMatchObject({ whole: digest });
    expect(await fill({ digest: DIGEST })).toMatchObject({ whole: digest });
    const { device, inode, size, mtimeNs, ctimeNs } = stateOf(ref);
    const placed = () => ({
      paths: Buffer.from(ref.path),
      states: BigInt64Array.of(device, inode, BigInt(size), mtimeNs, ctimeNs),
      offsets: Float64Array.of(0),
    });
    const fillFiles = (expected: number) => context.reader.batches?.readFiles?.(new Uint8Array(7), placed(), { expected: { digest: DIGEST, crc32: expected } });
    expect(await fillFiles(crc32("content"))).toEqual({ whole: DIGEST, crc32: crc32("content") });
    expect(await fillFiles(1)).toEqual({ whole: digest, crc32: crc32("content") });
  });

  test("that were not read again are as they were: a digest of a state is recalled, one of another isn't", async () => {
    const folder = await mkdtemp(join(tmpdir(), "varve-stat-"));
    await writeFile(join(root, "f"), "one");
    const path = join(folder, "x.stat");
    const load = async (): Promise<StatCache> => {
      const cache = createStatCache(path);
      await cache.load();
      return cache;
    };
    const cache = await load();
    await using context = await openDirectoryContext({ path: root });
    const state = stateOf(entryAt(await context.tree(), "f").content as DiskRef);
    cache.record(state, DIGEST, Date.now() + 10_000);
    await cache.save();
    expect((await load()).lookup(state)).toBe(DIGEST);
    expect((await load()).lookup({ ...state, ctimeNs: 1n })).toBeUndefined();
    expect((await load()).lookup({ ...state, device: 1n })).toBeUndefined();
    await writeFile(path, "damaged");
    expect((await load()).lookup(state)).toBeUndefined();
    expect(await readdir(folder)).toEqual(["x.stat"]);
    await rm(folder, { recursive: true });
  });

  test("that changed just now have digests that are remembered for this build only", async () => {
    const folder = await mkdtemp(join(tmpdir(), "varve-stat-"));
    const path = join(folder, "x.stat");
    const cache = createStatCache(path);
    await cache.load();
    const state = { device: 1n, inode: 2n, size: 3, mtimeNs: 4n, ctimeNs: 5_000_000_000n };
    cache.record(state, DIGEST, 6000);
    cache.record({ ...state, inode: 3n }, DIGEST, 6500);
    expect([2n, 3n].map((inode) => cache.lookup({ ...state, inode }))).toEqual([DIGEST, DIGEST]);
    await cache.save();
    const later = createStatCache(path);
    await later.load();
    expect([2n, 3n].map((inode) => later.lookup({ ...state, inode }))).toEqual([undefined, DIGEST]);
    await rm(folder, { recursive: true });
  });

  test("of many files are all recalled; those of files that were not looked at are dropped once they are most", async () => {
    const folder = await mkdtemp(join(tmpdir(), "varve-stat-"));
    const path = join(folder, "x.stat");
    // inodes that fall together in a table of any size, and times before 1970
    const stateAt = (i: number): FileState => ({ device: 2n ** 64n - 1n, inode: BigInt(i) << 40n, size: i, mtimeNs: BigInt(-i), ctimeNs: 0n });
    const digestOf = (i: number): Digest => `sha256:${i.toString(16).padStart(64, "0")}` as Digest;
    const load = async (): Promise<StatCache> => {
      const cache = createStatCache(path);
      await cache.load();
      return cache;
    };
    const cache = await load();
    for (let i = 0; i < 3000; i++) cache.record(stateAt(i), digestOf(i), Date.now());
    cache.record(stateAt(7), digestOf(70), Date.now());
    await cache.save();
    const again = await load();
    expect(again.lookup(stateAt(7))).toBe(digestOf(70));
    expect([...Array(3000).keys()].filter((i) => i !== 7 && again.lookup(stateAt(i)) !== digestOf(i))).toEqual([]);
    expect(again.lookup(stateAt(3001))).toBeUndefined();
    for (let i = 0; i < 110_000; i++) cache.record({ ...stateAt(i), inode: BigInt(i) }, digestOf(i), Date.now());
    await cache.save();
    const later = await load();
    expect(later.lookup(stateAt(8))).toBe(digestOf(8));
    later.record(stateAt(1), digestOf(1), Date.now());
    await later.save();
    const last = await load();
    expect([1, 8, 9].map((i) => last.lookup(stateAt(i)))).toEqual([digestOf(1), digestOf(8), undefined]);
    await rm(folder, { recursive: true });
  });
});

describe("memory of selections", () => {
  test("gives digests back while nothing has changed", async () => {
    const memory = createSelectionMemory(join(root, "m"));
    const other = `${DIGEST.slice(0, -1)}0` as typeof DIGEST;
    await memory.remember([DIGEST], "COPY .", DIGEST);
    await memory.remember([other], "COPY .", other);
    const reopened = createSelectionMemory(join(root, "m"));
    expect(await reopened.recall(DIGEST, "COPY .")).toBe(DIGEST);
    expect(await reopened.recall(other, "COPY .")).toBe(other);
    expect(await reopened.recall(DIGEST, "COPY d")).toBeUndefined();
  });

  test("keeps nothing of what changed just now, and sees every change", async () => {
    const folder = await mkdtemp(join(tmpdir(), "varve-memory-"));
    const open = (): ReturnType<typeof openDirectoryContext> => openDirectoryContext({ path: root, cache: join(folder, "x") });
    await writeFile(join(root, "f"), "one");
    await using fresh = await open();
    await fresh.memory?.remember("all", DIGEST);
    expect(await (await open()).memory?.recall("all")).toBeUndefined();
    const prints = new Set<string>();
    const print = async (): Promise<number> => prints.add((await listDirectory(root)).fingerprint()).size;
    expect(await print()).toBe(1);
    expect(await print()).toBe(1);
    await chmod(join(root, "f"), 0o600);
    expect(await print()).toBe(2);
    await rename(join(root, "f"), join(root, "g"));
    expect(await print()).toBe(3);
    await mkdir(join(root, "d"));
    expect(await print()).toBe(4);
    await symlink("x", join(root, "l"));
    expect(await print()).toBe(5);
    await rm(folder, { recursive: true });
  });
});

test.each(["missing", "file"])("a context that is %s is CONTEXT_NOT_FOUND", async (name) => {
  await writeFile(join(root, "file"), "");
  await expect(openDirectoryContext({ path: join(root, name) })).rejects.toMatchObject({ code: "CONTEXT_NOT_FOUND" });
});

test("an ignore file over 4 MiB, or one that cannot be read, is an error and not left out", async () => {
  await writeFile(join(root, ".dockerignore"), new Uint8Array(4 * 1024 * 1024 + 1));
  await expect(treeOf()).rejects.toMatchObject({ code: "CONTEXT_TOO_LARGE" });
  await rm(join(root, ".dockerignore"));
  await symlink(".dockerignore", join(root, ".dockerignore"));
  await expect(treeOf()).rejects.toMatchObject({ code: "CONTEXT_UNREADABLE" });
});
