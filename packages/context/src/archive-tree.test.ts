import { execFileSync, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { encodeTarHeader, TAR_END, type TarHeader } from "@varve/archive";
import { collectBytes, concatBytes, displayPath, streamOf, toBytePath } from "@varve/bytes";
import { PLAIN_TAR_HEADER } from "@varve/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { archiveTree, openArchive } from "./archive-tree.ts";
import { openContext } from "./open-context.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "varve-archive-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

async function tarOf(...flags: readonly string[]): Promise<Uint8Array> {
  const files = join(directory, "files");
  await mkdir(join(files, "d"), { recursive: true });
  await writeFile(join(files, "d/a"), "hello");
  await writeFile(join(files, "Dockerfile"), "FROM scratch\n");
  await symlink("d/a", join(files, "l"));
  return execFileSync("tar", ["-C", files, "--owner=7", "--group=8", ...flags, "-cf", "-", "."], { maxBuffer: 1e8 });
}

function header(name: string, more: Partial<TarHeader> = {}): TarHeader {
  return { ...PLAIN_TAR_HEADER, name: toBytePath(name), uid: 7, gid: 8, mtime: 1, ...more };
}

describe("openArchive", () => {
  test.each([[[]], [["-z"]], [["--format=pax"]]])("reads a tar made with %j", async (flags) => {
    const archive = await openArchive(streamOf(await tarOf(...flags)), { directory });
    if (archive === undefined) throw new Error("not an archive");
    const tree = await archiveTree(archive);
    expect([...tree.walk()].map((entry) => displayPath(entry.path))).toEqual(["", "Dockerfile", "d", "d/a", "l"]);
    const entry = tree.lookup(toBytePath("d/a"));
    expect(entry).toMatchObject({ uid: 7, gid: 8, size: 5 });
    const bytes = await collectBytes(await archive.reader.open(entry?.content as never), 100, () => new Error("too long"));
    expect(new TextDecoder().decode(bytes)).toBe("hello");
    expect(await archive.reader.digest(entry?.content as never)).toBe("sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
    await archive[Symbol.asyncDispose]();
  });

  const TAILS = [
    ["zeros", Buffer.alloc(512)],
    ["a text", Buffer.from("trailing\n")],
    ["the start of another", Buffer.from([0x1f, 0x8b, 8])],
  ] as const;
  const packers = ["cat", "gzip", "bzip2", "xz", "zstd"].filter((tool) => spawnSync(tool, ["--version"]).error === undefined);
  describe.each(packers)("what follows the end of a tar packed by %s", (tool) => {
    test.each(TAILS.flatMap(([what, tail]) => [1, 100, 1_000_000].map((size) => [what, size, tail] as const)))("%s, in pieces of %i", async (_, size, tail) => {
      const packed = Buffer.concat([execFileSync(tool, { input: await tarOf() }), tail]);
      const pieces = Array.from({ length: Math.ceil(packed.length / size) }, (_each, i) => packed.subarray(i * size, (i + 1) * size));
      await using archive = await openArchive(streamOf(...pieces), { directory });
      if (archive === undefined) throw new Error("not an archive");
      expect([...(await archiveTree(archive)).walk()].map((entry) => displayPath(entry.path))).toEqual(["", "Dockerfile", "d", "d/a", "l"]);
    });
  });

  test.each(packers)("a tar packed by %s and cut short in a file's content is an error", async (tool) => {
    const tar = concatBytes([encodeTarHeader(header("a", { size: 500_000 })), randomBytes(500_224), TAR_END]);
    const packed = execFileSync(tool, { input: tar, maxBuffer: 1e8 });
    await using archive = await openArchive(streamOf(packed.subarray(0, packed.length / 2)), { directory });
    // bzip2's blocks are so large that nothing of the first one can be read
    if (archive !== undefined) await expect(archiveTree(archive)).rejects.toMatchObject({ code: expect.stringMatching(/^ARCHIVE_MALFORMED/) as string });
    else expect(tool).toBe("bzip2");
  });

  test("a gzip member with every optional field, members in succession, and a wrong checksum", async () => {
    const tar = await tarOf();
    const plain = gzipSync(tar.subarray(0, 600));
    const fields = Buffer.concat([Buffer.from([3, 0, 1, 2, 3]), Buffer.from("name\0comment\0"), Buffer.from([9, 9])]);
    const full = Buffer.concat([plain.subarray(0, 3), Buffer.from([2 + 4 + 8 + 16]), plain.subarray(4, 10), fields, plain.subarray(10)]);
    const read = async (bytes: Uint8Array): Promise<number> => {
      await using archive = await openArchive(streamOf(bytes), { directory });
      return archive === undefined ? 0 : [...(await archiveTree(archive)).walk()].length;
    };
    expect(await read(Buffer.concat([full, gzipSync(tar.subarray(600))]))).toBe(5);
    const wrong = Buffer.from(full);
    wrong[wrong.length - 8] = (wrong[wrong.length - 8] ?? 0) ^ 1;
    await expect(read(Buffer.concat([wrong, gzipSync(tar.subarray(600))]))).rejects.toMatchObject({ code: "ARCHIVE_MALFORMED_COMPRESSION" });
  });

  test.each([
    ["text", new TextEncoder().encode("not a tar, but long enough to hold a header".repeat(20))],
    ["nothing", new Uint8Array()],
    ["zeros", new Uint8Array(4096)],
    ["a gzip header alone", Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3)],
  ])("says that %s is no archive", async (_, bytes) => {
    expect(await openArchive(streamOf(bytes), { directory })).toBeUndefined();
  });

  test("throws for a tar that is cut off", async () => {
    const whole = concatBytes([encodeTarHeader(header("a", { size: 1000 })), new Uint8Array(100)]);
    await using archive = await openArchive(streamOf(whole), { directory });
    if (archive === undefined) throw new Error("not an archive");
    await expect(archiveTree(archive)).rejects.toMatchObject({ code: "ARCHIVE_MALFORMED_TAR" });
  });

  test("leaves no file behind, even before it is disposed", async () => {
    const archive = await openArchive(streamOf(encodeTarHeader(header("a")), TAR_END), { directory });
    expect(await readdir(directory)).toEqual([]);
    await archive?.[Symbol.asyncDispose]();
  });
});

describe("archiveTree", () => {
  async function treeFrom(...headers: readonly TarHeader[]): ReturnType<typeof archiveTree> {
    await using archive = await openArchive(streamOf(...headers.map((one) => encodeTarHeader(one)), TAR_END), { directory });
    if (archive === undefined) throw new Error("not an archive");
    return await archiveTree(archive);
  }

  test("lets later entries win, links by target and makes parents", async () => {
    const tree = await treeFrom(
      header("a/b", { mode: 0o600 }),
      header("x", { type: "directory", mode: 0o700 }),
      header("x/y"),
      header("x"),
      header("h", { type: "hardlink", linkName: toBytePath("a/b") }),
    );
    expect([...tree.walk()].map((entry) => displayPath(entry.path))).toEqual(["", "a", "a/b", "h", "x"]);
    expect(tree.lookup(toBytePath("x"))?.type).toBe("file");
    expect(tree.lookup(toBytePath("h"))?.node).toBe(tree.lookup(toBytePath("a/b"))?.node);
  });

  test.each([
    ["a name with ..", [header("../x")]],
    ["a link to nothing", [header("a", { type: "hardlink", linkName: toBytePath("b") })]],
    ["an entry below a file", [header("a"), header("a/b")]],
  ])("refuses %s", async (_, headers) => {
    await expect(treeFrom(...headers)).rejects.toMatchObject({ code: "CONTEXT_INVALID_ARCHIVE" });
  });
});

describe("openContext of a stream", () => {
  test("takes a tar as context", async () => {
    const { context, dockerfile } = await openContext({ kind: "stream", title: "-", stream: streamOf(await tarOf("-z")), directory });
    expect(dockerfile).toBeUndefined();
    expect(new TextDecoder().decode(await context.readFile(toBytePath("Dockerfile")))).toBe("FROM scratch\n");
    await context[Symbol.asyncDispose]();
  });

  test("takes text as the Dockerfile of an empty context", async () => {
    const { context, dockerfile } = await openContext({ kind: "stream", title: "-", stream: streamOf(new TextEncoder().encode("FROM x\n")), directory });
    expect(dockerfile).toBe("FROM x\n");
    expect((await context.tree()).size).toBe(1);
  });

  test("refuses anything else", async () => {
    await expect(openContext({ kind: "stream", title: "-", stream: streamOf(Uint8Array.of(0, 1, 2, 3)), directory })).rejects.toMatchObject({
      code: "CONTEXT_INVALID_ARCHIVE",
    });
  });
});
