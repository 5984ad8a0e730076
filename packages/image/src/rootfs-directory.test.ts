import { execFileSync } from "node:child_process";
import { chmod, lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { type BytePath, streamOf } from "@varve/bytes";
import { type ContentReader, createTreeBuilder, type FileTree, type NewEntry } from "@varve/layer";
import { digestFromHex } from "@varve/oci";
import { sha256Hex } from "@varve/archive";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { writeTreeDirectory } from "./rootfs-directory.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "varve-rootfs-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const reader: ContentReader = {
  async open(ref) {
    if (ref.kind !== "bytes") throw new TypeError("bytes only");
    return streamOf(ref.bytes);
  },
  async digest(ref) {
    if (ref.kind !== "bytes") throw new TypeError("bytes only");
    return digestFromHex(sha256Hex(ref.bytes));
  },
};

const base = { mode: 0o644, uid: 0, gid: 0, mtime: 1_600_000_000, size: 0 } as const;
const dir = (at: string, mode = 0o755): NewEntry => ({ ...base, path: at as BytePath, type: "directory", mode });
const file = (at: string, text: string, mode = 0o644): NewEntry => {
  const bytes = new TextEncoder().encode(text);
  return { ...base, path: at as BytePath, type: "file", mode, size: bytes.length, content: { kind: "bytes", bytes, size: bytes.length } };
};
const link = (at: string, target: string): NewEntry => ({ ...base, path: at as BytePath, type: "symlink", mode: 0o777, linkTarget: target as BytePath });

function tree(...entries: readonly NewEntry[]): FileTree {
  const builder = createTreeBuilder();
  for (const entry of entries) builder.set(entry);
  return builder.finish();
}

describe("writeTreeDirectory", () => {
  it("writes types, modes, times, links and bytes of names", async () => {
    const builder = createTreeBuilder();
    for (const entry of [dir("d", 0o555), file("d/caf\xe9", "x", 0o4755), file("a", "hello"), link("l", "/etc/passwd"), link("up", "../../x")])
      builder.set(entry);
    builder.link("z" as BytePath, "a" as BytePath);
    const out = path.join(directory, "new", "out");
    const result = await writeTreeDirectory(builder.finish(), reader, out);
    expect(result).toEqual({ entries: 7, incomplete: [] });
    expect(await readdir(out)).toEqual(["a", "d", "l", "up", "z"]);
    expect((await readdir(path.join(out, "d"), { encoding: "buffer" }))[0]).toEqual(Buffer.from("caf\xe9", "latin1"));
    expect(await readFile(path.join(out, "z"), "utf8")).toBe("hello");
    expect(await readlink(path.join(out, "l"))).toBe("/etc/passwd");
    const [a, z, d] = await Promise.all([lstat(path.join(out, "a")), lstat(path.join(out, "z")), lstat(path.join(out, "d"))]);
    expect(a.ino).toBe(z.ino);
    expect([a.mode & 0o7777, a.mtimeMs, d.mode & 0o7777, d.mtimeMs]).toEqual([0o644, 1_600_000_000_000, 0o555, 1_600_000_000_000]);
    expect((await lstat(Buffer.concat([Buffer.from(`${out}/d/`), Buffer.from("caf\xe9", "latin1")]))).mode & 0o7777).toBe(0o4755);
  });

  it("keeps what is there and not in the tree, and replaces what is in both", async () => {
    await writeFile(path.join(directory, "mine"), "mine");
    await writeFile(path.join(directory, "a"), "old");
    await mkdir(path.join(directory, "d"));
    await writeFile(path.join(directory, "d", "mine"), "mine");
    await mkdir(path.join(directory, "f"));
    await writeFile(path.join(directory, "f", "gone"), "");
    await writeFile(path.join(directory, "e"), "");
    await writeTreeDirectory(tree(file("a", "new"), dir("d"), file("d/x", "x"), file("f", "file"), dir("e"), file("e/y", "y")), reader, directory);
    expect(execFileSync("find", [".", "-type", "f", "-printf", "%P\n"], { cwd: directory, encoding: "utf8" }).split("\n").filter(Boolean).toSorted()).toEqual([
      "a",
      "d/mine",
      "d/x",
      "e/y",
      "f",
      "mine",
    ]);
    expect(await readFile(path.join(directory, "a"), "utf8")).toBe("new");
    expect(await readFile(path.join(directory, "f"), "utf8")).toBe("file");
  });

  it("never follows a symlink that lies where it writes", async () => {
    const canary = path.join(directory, "canary");
    const out = path.join(directory, "out");
    await mkdir(canary);
    await writeFile(path.join(canary, "x"), "safe");
    await chmod(path.join(canary, "x"), 0o600);
    await mkdir(out);
    await symlink(canary, path.join(out, "d"));
    await symlink(path.join(canary, "x"), path.join(out, "f"));
    await writeTreeDirectory(tree(dir("d", 0o700), file("d/x", "overwritten"), file("f", "overwritten", 0o777)), reader, out);
    expect(await readFile(path.join(canary, "x"), "utf8")).toBe("safe");
    expect((await lstat(path.join(canary, "x"))).mode & 0o7777).toBe(0o600);
    expect(await readFile(path.join(out, "d", "x"), "utf8")).toBe("overwritten");
  });

  it("names what it cannot make", async () => {
    const device: NewEntry = { ...base, path: "null" as BytePath, type: "char", device: { major: 1, minor: 3 } };
    const capable: NewEntry = { ...file("ping", "x"), xattrs: new Map([["security.capability", Uint8Array.of(1)]]) };
    const result = await writeTreeDirectory(tree(device, capable), reader, path.join(directory, "out"));
    expect(result).toEqual({ entries: 2, incomplete: ["null", "ping"] });
  });

  it("leaves nothing behind when it fails", async () => {
    const broken: ContentReader = { ...reader, open: () => Promise.reject(new Error("no content")) };
    const out = path.join(directory, "out");
    await expect(writeTreeDirectory(tree(file("a", "x")), broken, out)).rejects.toThrow("no content");
    expect(await readdir(out)).toEqual([]);
    await expect(writeTreeDirectory(tree(file("a", "x")), reader, "/proc/nowhere")).rejects.toMatchObject({ code: "IMAGE_OUTPUT" });
  });
});
