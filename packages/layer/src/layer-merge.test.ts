import { encodeTarHeader, TAR_END, type TarHeader } from "@varve/archive";
import { type BytePath, streamOf, toBytePath } from "@varve/bytes";
import { PLAIN_TAR_HEADER } from "@varve/testkit";
import { describe, expect, test } from "vitest";
import { EMPTY_TREE, type FileTree, indexLayer, mergeLayer } from "./index.ts";

/** `d/` a directory, `l -> t` a symlink, `h = t` a hardlink, `c %` a device, anything else an empty file whose uid tells its layer. */
function header(text: string, uid: number): TarHeader {
  const [name = "", target = ""] = text.split(/ -> | = | % /);
  const type = text.includes(" -> ")
    ? "symlink"
    : text.includes(" = ")
      ? "hardlink"
      : text.includes(" % ")
        ? "char"
        : name.endsWith("/")
          ? "directory"
          : "file";
  return { ...PLAIN_TAR_HEADER, name: name as BytePath, type, uid, linkName: (type === "char" ? "" : target) as BytePath };
}

async function layer(base: FileTree, entries: readonly string[], uid: number): Promise<FileTree> {
  return mergeLayer(base, await indexLayer(streamOf(...entries.map((text) => encodeTarHeader(header(text, uid))), TAR_END)));
}

/** `path` or `path -> target`, `/` after directories, `:uid` of the layer a file or directory is from; directories nobody wrote have none. */
function show(tree: FileTree): string[] {
  return [...tree.walk()].slice(1).map((entry) => {
    const mark = entry.type === "directory" ? "/" : entry.type === "symlink" ? ` -> ${entry.linkTarget}` : entry.type === "char" ? "%" : "";
    return `${entry.path}${mark}${entry.uid === 0 ? "" : `:${entry.uid}`}`;
  });
}

async function stack(...layers: readonly (readonly string[])[]): Promise<FileTree> {
  let tree = EMPTY_TREE;
  for (const [i, entries] of layers.entries()) tree = await layer(tree, entries, i + 1);
  return tree;
}

const CASES: readonly (readonly [string, readonly (readonly string[])[], readonly string[]])[] = [
  ["a later entry replaces an earlier one", [["f", "f -> x"]], ["f -> x:1"]],
  ["names are cleaned", [["./", "./d/", "./d/f", "/abs", "d//g", "d/./h"]], ["abs:1", "d/:1", "d/f:1", "d/g:1", "d/h:1"]],
  ["missing parents are made", [["a/b/f"]], ["a/", "a/b/", "a/b/f:1"]],
  ["a directory over a directory keeps what is below", [["d/", "d/f"], ["d/"]], ["d/:2", "d/f:1"]],
  ["a file over a directory", [["d/", "d/f"], ["d"]], ["d:2"]],
  ["a directory over a file", [["d"], ["d/", "d/f"]], ["d/:2", "d/f:2"]],
  [
    "a directory over a symlink to a directory",
    [
      ["real/", "l -> real"],
      ["l/", "l/f"],
    ],
    ["l/:2", "l/f:2", "real/:1"],
  ],
  ["a parent that is a symlink", [["usr/", "usr/bin/", "bin -> usr/bin"], ["bin/sh"]], ["bin -> usr/bin:1", "usr/:1", "usr/bin/:1", "usr/bin/sh:2"]],
  ["a parent that is an absolute symlink", [["usr/", "bin -> /usr"], ["bin/sh"]], ["bin -> /usr:1", "usr/:1", "usr/sh:2"]],
  ["a parent that is a symlink out of the root stays inside", [["d/", "l -> ../../../d"], ["l/f"]], ["d/:1", "d/f:2", "l -> ../../../d:1"]],
  ["a parent that is a symlink to nothing", [["run -> var/run"], ["run/pid"]], ["run -> var/run:1", "var/", "var/run/", "var/run/pid:2"]],
  ["a parent that is a chain of symlinks", [["a -> b", "b -> c", "c/"], ["a/f"]], ["a -> b:1", "b -> c:1", "c/:1", "c/f:2"]],
  ["a parent that is a file", [["d"], ["d/f"]], ["d/", "d/f:2"]],
  ["a parent that is a symlink to a file", [["f", "l -> f"], ["l/g"]], ["f/", "f/g:2", "l -> f:1"]],
  ["a symlink that the layer itself brings", [["d/", "l -> d", "l/f"]], ["d/:1", "d/f:1", "l -> d:1"]],
  [
    "a symlink that the layer itself replaces",
    [
      ["usr/", "bin -> usr"],
      ["bin/", "bin/f"],
    ],
    ["bin/:2", "bin/f:2", "usr/:1"],
  ],

  ["a whiteout of a file", [["f", "g"], [".wh.f"]], ["g:1"]],
  ["a whiteout of a directory", [["d/", "d/e/", "d/e/f"], [".wh.d"]], []],
  ["a whiteout of what isn't there", [["f"], [".wh.g", "x/.wh.y"]], ["f:1"]],
  ["a whiteout of a symlink, not of its target", [["d/", "d/f", "l -> d"], [".wh.l"]], ["d/:1", "d/f:1"]],
  ["a whiteout below a symlink", [["usr/", "usr/f", "l -> usr"], ["l/.wh.f"]], ["l -> usr:1", "usr/:1"]],
  ["a whiteout hides only lower layers, before what it names", [["f"], [".wh.f", "f"]], ["f:2"]],
  ["and after it", [["f"], ["f", ".wh.f"]], ["f:2"]],
  [
    "also below a directory",
    [
      ["d/", "d/old"],
      ["d/", "d/new", ".wh.d"],
    ],
    ["d/:2", "d/new:2"],
  ],
  ["a whiteout below a file changes nothing", [["f"], ["f/.wh.g"]], ["f:1"]],
  [
    "a whiteout with content or of another type",
    [
      ["f", "g"],
      [".wh.f -> x", ".wh.g % "],
    ],
    [],
  ],
  ["a whiteout of a name that begins like one more", [["wh.f", ".whf"], [".wh.wh.f"]], [".whf:1"]],
  ["a whiteout in the layer that is removed in a third", [["d/", "d/f"], [".wh.d"], ["d/", "d/g"]], ["d/:3", "d/g:3"]],

  [
    "an opaque directory",
    [
      ["d/", "d/f", "d/e/", "d/e/g"],
      ["d/", "d/.wh..wh..opq", "d/new"],
    ],
    ["d/:2", "d/new:2"],
  ],
  [
    "an opaque mark after what the layer brings",
    [
      ["d/", "d/f"],
      ["d/", "d/new", "d/.wh..wh..opq"],
    ],
    ["d/:2", "d/new:2"],
  ],
  ["an opaque mark without its directory", [["d/", "d/f"], ["d/.wh..wh..opq"]], ["d/:1"]],
  ["an opaque mark below a symlink", [["e/", "e/f", "d -> e"], ["d/.wh..wh..opq"]], ["d -> e:1", "e/:1"]],
  [
    "an opaque root",
    [
      ["f", "d/", "d/g"],
      [".wh..wh..opq", "new"],
    ],
    ["new:2"],
  ],
  [
    "an opaque mark hides what is deeper, not what the layer brings there",
    [
      ["d/", "d/e/", "d/e/f"],
      ["d/e/new", "d/.wh..wh..opq"],
    ],
    ["d/:1", "d/e/:1", "d/e/new:2"],
  ],
  ["an opaque mark of nothing", [["f"], ["d/.wh..wh..opq"]], ["f:1"]],

  ["a hardlink", [["f", "g = f"]], ["f:1", "g:1"]],
  ["a hardlink by an absolute name", [["d/", "d/f", "g = /d/f"]], ["d/:1", "d/f:1", "g:1"]],
  ["a hardlink into a lower layer", [["f"], ["g = f"]], ["f:1", "g:1"]],
  ["a hardlink whose target lies below a symlink", [["usr/", "usr/f", "l -> usr"], ["g = l/f"]], ["g:1", "l -> usr:1", "usr/:1", "usr/f:1"]],
  ["a hardlink to a symlink is one more symlink", [["l -> x", "h = l"]], ["h -> x:1", "l -> x:1"]],
  ["a hardlink outlives its target", [["f", "g = f"], [".wh.f"]], ["g:1"]],
  ["what aufs left is passed over", [[".wh..wh.aufs", ".wh..wh.orph/", ".wh..wh.plnk/", ".wh..wh.plnk/1.2", "f"]], ["f:1"]],
];

describe("merging", () => {
  test.each(CASES)("%s", async (_, layers, expected) => {
    expect(show(await stack(...layers))).toEqual(expected);
  });

  test("hardlinks share a node, across layers too, until one is replaced", async () => {
    const tree = await stack(["f", "g = f"], ["h = g"], ["g"]);
    const node = (at: string) => tree.lookup(toBytePath(at))?.node;
    expect(node("h")).toBe(node("f"));
    expect(node("g")).not.toBe(node("f"));
  });

  test("the root's own entry", async () => {
    const tree = await stack(["./"]);
    expect(tree.lookup(toBytePath(""))).toMatchObject({ uid: 1, mode: 0o644 });
  });

  test("modes, owners, times, xattrs and devices come as they are; times lose their fraction", async () => {
    const tar = streamOf(
      encodeTarHeader({
        ...header("f", 4_000_000_000),
        mode: 0o7531,
        gid: 7,
        mtime: 1234.9,
        xattrs: new Map([["security.capability", Uint8Array.of(1, 0, 255)]]),
      }),
      encodeTarHeader({ ...header("c % ", 0), deviceMajor: 1, deviceMinor: 300 }),
    );
    const tree = mergeLayer(EMPTY_TREE, await indexLayer(tar));
    expect(tree.lookup(toBytePath("f"))).toMatchObject({
      mode: 0o7531,
      uid: 4_000_000_000,
      gid: 7,
      mtime: 1234,
      xattrs: new Map([["security.capability", Uint8Array.of(1, 0, 255)]]),
    });
    expect(tree.lookup(toBytePath("c"))).toMatchObject({ type: "char", device: { major: 1, minor: 300 } });
  });
});

const REFUSED: readonly (readonly [string, readonly (readonly string[])[]])[] = [
  ["`..` in a name", [["../f"]]],
  ["`..` within a name", [["a/../f"]]],
  ["`..` at the end of a name", [["a/.."]]],
  ["the root as a file", [["."]]],
  ["the root as a symlink", [["./ -> x"]]],
  ["a symlink whose name ends with a slash", [["l/ -> x"]]],
  ["a whiteout of nothing", [[".wh."]]],
  ["a whiteout of .", [["d/.wh.."]]],
  ["a whiteout of ..", [["d/.wh..."]]],
  ["a whiteout of a whiteout", [[".wh..wh.f"]]],
  ["an unknown aufs mark", [["d/.wh..wh.aufs"]]],
  ["something below a whiteout", [[".wh.d/f"]]],
  ["a whiteout that is a directory", [[".wh.d/"]]],
  ["a hardlink out of the root", [["h = ../../etc/passwd"]]],
  ["a hardlink with `..` inside", [["d/", "f", "h = d/../f"]]],
  ["a hardlink to what isn't there", [["h = f"]]],
  ["a hardlink to what comes later", [["h = f", "f"]]],
  ["a hardlink to a directory", [["d/", "h = d"]]],
  ["a hardlink to the root", [["h = /"]]],
  ["a hardlink to itself", [["f", "f = f"]]],
  ["a hardlink to itself through a symlink", [["d/", "d/f", "l -> d", "l/f = d/f"]]],
  ["a hardlink to a whiteout", [["f"], [".wh.f", "h = .wh.f"]]],
  ["a hardlink out through a symlink", [["l -> ../../..", "h = l/etc/passwd"]]],
  ["a name past 255 bytes", [["n".repeat(256)]]],
  ["a path past 4096 bytes", [[`${`${"n".repeat(200)}/`.repeat(21)}f`]]],
  ["a path 1025 deep", [[`${"d/".repeat(1024)}f`]]],
  ["a symlink target of 4096 bytes", [[`l -> ${"t".repeat(4096)}`]]],
];

describe("refused", () => {
  test.each(REFUSED)("%s", async (_, layers) => {
    await expect(stack(...layers)).rejects.toThrow(expect.objectContaining({ code: "LAYER_INVALID_ENTRY" }));
  });

  test("a parent that is a loop of symlinks", async () => {
    await expect(stack(["a -> b", "b -> a"], ["a/f"])).rejects.toThrow(expect.objectContaining({ code: "LAYER_TOO_MANY_LINKS" }));
  });

  test("xattrs past 64 KiB, times no clock has", async () => {
    const read = (change: Partial<TarHeader>) => indexLayer(streamOf(encodeTarHeader({ ...header("f", 0), ...change })));
    await read({ xattrs: new Map([["security.x", new Uint8Array(64 * 1024)]]) });
    await expect(read({ xattrs: new Map([["security.x", new Uint8Array(64 * 1024 + 1)]]) })).rejects.toThrow(
      expect.objectContaining({ code: "LAYER_INVALID_ENTRY" }),
    );
    await expect(read({ xattrs: new Map([[`security.${"x".repeat(247)}`, Uint8Array.of(1)]]) })).rejects.toThrow(
      expect.objectContaining({ code: "LAYER_INVALID_ENTRY" }),
    );
    await expect(read({ mtime: 2 ** 43 })).rejects.toThrow(expect.objectContaining({ code: "LAYER_INVALID_ENTRY" }));
  });
});
