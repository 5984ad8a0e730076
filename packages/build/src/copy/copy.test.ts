import { displayPath, toBytePath } from "@varve/bytes";
import { createTreeBuilder, type FileTree, type NewEntry } from "@varve/layer";
import { describe, expect, test } from "vitest";
import { createDestination } from "./destination.ts";
import { parseModeChange } from "./mode-change.ts";
import { placeSelected } from "./placement.ts";
import { selectSource } from "./selection.ts";

/** `d/`, `f=content`, `l->target`, `f:0600=x`, `d:0700/`; source entries get uid 5, gid 6, mtime 50. */
function tree(...items: readonly string[]): FileTree {
  const builder = createTreeBuilder();
  for (const item of items) {
    const [, path = "", mode = "", rest = ""] = /^([^:=>]*?)(?::([0-7]+))?(\/$|=.*|->.*)$/.exec(item) ?? [];
    const base = { path: toBytePath(path), uid: 5, gid: 6, mtime: 50, size: 0 };
    if (rest === "/") builder.set({ ...base, type: "directory", mode: Number.parseInt(mode || "755", 8) });
    else if (rest.startsWith("->")) builder.set({ ...base, type: "symlink", mode: 0o777, linkTarget: toBytePath(rest.slice(2)) });
    else {
      const bytes = new TextEncoder().encode(rest.slice(1));
      builder.set({
        ...base,
        type: "file",
        mode: Number.parseInt(mode || "644", 8),
        size: bytes.length,
        content: { kind: "bytes", bytes, size: bytes.length },
      } satisfies NewEntry);
    }
  }
  return builder.finish();
}

interface Copy {
  readonly from: FileTree;
  readonly sources: readonly string[];
  readonly to: string;
  readonly onto?: FileTree;
  readonly chmod?: string;
  readonly chown?: { readonly uid: number; readonly gid: number };
  readonly parents?: boolean;
  readonly exclude?: readonly string[];
}

function copy(options: Copy): string[] {
  const destination = createDestination(options.onto ?? tree());
  const links = { next: 1 };
  for (const source of options.sources) {
    for (const selected of selectSource(options.from, source, { parents: options.parents ?? false, exclude: options.exclude ?? [] })) {
      placeSelected(
        destination,
        selected,
        { destination: toBytePath(options.to), owner: options.chown, mode: options.chmod === undefined ? undefined : parseModeChange(options.chmod) },
        links,
      );
    }
  }
  return [...destination.finish().changes].map((change) => {
    if (change.kind === "deleted") return `- ${displayPath(change.path)}`;
    const { entry } = change;
    const text = entry.content?.kind === "bytes" ? ` ${new TextDecoder().decode(entry.content.bytes)}` : "";
    const link = entry.linkTarget === undefined ? "" : ` -> ${entry.linkTarget}`;
    return `${change.kind === "added" ? "+" : "~"} ${displayPath(change.path)}${entry.type === "directory" ? "/" : ""} ${entry.mode.toString(8)} ${entry.uid}:${entry.gid}${text}${link}`;
  });
}

const SOURCE = tree("a.txt=A", "b.txt:0600=B", "d:0700/", "d/x=X", "d/s/", "d/s/y=Y", "l->a.txt", "ld->d", "loop->loop", "up->../../a.txt", "e/");

test.each([
  ["a/missing", true, "check the path, the build context and .dockerignore"],
  ["a/missing", false, "check the path: it starts at the root of the stage or image that --from names"],
  ["../../missing", true, "paths outside of the build context cannot be copied"],
  ["D/S/Y", false, "check the path: it starts at the root of the stage or image that --from names"],
  ["d/s/Y", false, "there is d/s/y; names are case-sensitive"],
  ["ld/X", true, "there is d/x; names are case-sensitive"],
  ["dangling", true, "dangling is a symlink to no/where, which is not in the source"],
  ["e/out/x", false, "e/out is a symlink to /gone, which is not in the source"],
])("a source %s that is missing, from a context %s: %s", (source, isContext, hint) => {
  const from = tree("a/", "d/", "d/s/", "d/s/y=Y", "d/x=X", "ld->d", "dangling->no/where", "e/", "e/out->/gone");
  expect(() => selectSource(from, source, { parents: false, exclude: [], isContext })).toThrow(expect.objectContaining({ hint }));
});

describe("a file", () => {
  test("is named as the destination", () => expect(copy({ from: SOURCE, sources: ["b.txt"], to: "/n" })).toEqual(["+ n 600 5:6 B"]));
  test("goes into a destination with a slash, made 0755 root", () =>
    expect(copy({ from: SOURCE, sources: ["a.txt"], to: "/p/q/" })).toEqual(["+ p/ 755 0:0", "+ p/q/ 755 0:0", "+ p/q/a.txt 644 5:6 A"]));
  test("goes into a directory that is there", () =>
    expect(copy({ from: SOURCE, sources: ["a.txt"], to: "/t", onto: tree("t:1777/") })).toEqual(["+ t/a.txt 644 5:6 A"]));
  test("replaces a file", () => expect(copy({ from: SOURCE, sources: ["a.txt"], to: "/f", onto: tree("f=old") })).toEqual(["~ f 644 5:6 A"]));
  test("replaces a symlink in a directory", () =>
    expect(copy({ from: SOURCE, sources: ["a.txt"], to: "/t/", onto: tree("t/", "t/a.txt->/x") })).toEqual(["~ t/a.txt 644 5:6 A"]));
  test("goes through a symlink that is the destination", () =>
    expect(copy({ from: SOURCE, sources: ["a.txt"], to: "/s", onto: tree("real/", "s->real") })).toEqual(["+ real/a.txt 644 5:6 A"]));
  test("goes where a dangling symlink points", () =>
    expect(copy({ from: SOURCE, sources: ["a.txt"], to: "/s", onto: tree("s->/gone/x") })).toEqual(["+ gone/ 755 0:0", "+ gone/x 644 5:6 A"]));
  test("can't replace a directory below the destination", () =>
    expect(() => copy({ from: SOURCE, sources: ["a.txt"], to: "/t/", onto: tree("t/", "t/a.txt/") })).toThrow(
      expect.objectContaining({ code: "BUILD_COPY_CONFLICT" }),
    ));
  test("can't be below a file", () =>
    expect(() => copy({ from: SOURCE, sources: ["a.txt"], to: "/f/x", onto: tree("f=1") })).toThrow(expect.objectContaining({ code: "BUILD_COPY_CONFLICT" })));
  test("is found through symlinks, clamped to the root", () =>
    expect(copy({ from: SOURCE, sources: ["l", "ld/x", "up", "/../a.txt"], to: "/o/" })).toEqual([
      "+ o/ 755 0:0",
      "+ o/a.txt 644 5:6 A",
      "+ o/l 644 5:6 A",
      "+ o/up 644 5:6 A",
      "+ o/x 644 5:6 X",
    ]));
  test("that is the last of several wins without a slash", () =>
    expect(copy({ from: SOURCE, sources: ["a.txt", "b.txt"], to: "/n" })).toEqual(["+ n 600 5:6 B"]));
});

describe("a directory", () => {
  test.each(["d", "d/", "/d", "ld", "./d"])("%s gives its contents to a new 0755 directory", (source) =>
    expect(copy({ from: SOURCE, sources: [source], to: "/n" })).toEqual(["+ n/ 755 0:0", "+ n/s/ 755 5:6", "+ n/s/y 644 5:6 Y", "+ n/x 644 5:6 X"]),
  );
  test("leaves the destination's own metadata, and changes that of directories below", () =>
    expect(copy({ from: SOURCE, sources: ["d"], to: "/n", onto: tree("n:0711/", "n/s:0700/", "n/s/z=Z") })).toEqual([
      "~ n/s/ 755 5:6",
      "+ n/s/y 644 5:6 Y",
      "+ n/x 644 5:6 X",
    ]));
  test("keeps symlinks in it as they are", () =>
    expect(copy({ from: tree("d/", "d/l->../secret"), sources: ["d"], to: "/n/" })).toEqual(["+ n/ 755 0:0", "+ n/l 777 5:6 -> ../secret"]));
  test.each([
    ["/f", ["f=1"]],
    ["/n", ["n/", "n/s=1"]],
    ["/n", ["n/", "n/s->/n"]],
  ])("can't replace what is no directory (%s)", (to, onto) =>
    expect(() => copy({ from: SOURCE, sources: ["d"], to, onto: tree(...onto) })).toThrow(expect.objectContaining({ code: "BUILD_COPY_CONFLICT" })),
  );
  test("can be the whole source", () => expect(copy({ from: tree("a=1", "d/"), sources: ["."], to: "/" })).toEqual(["+ a 644 5:6 1", "+ d/ 755 5:6"]));
});

describe("wildcards", () => {
  test("merge the contents of directories they match", () =>
    expect(copy({ from: tree("d1/", "d1/a=1", "d2/", "d2/b=2", "df=3"), sources: ["d*"], to: "/o/" })).toEqual([
      "+ o/ 755 0:0",
      "+ o/a 644 5:6 1",
      "+ o/b 644 5:6 2",
      "+ o/df 644 5:6 3",
    ]));
  test("match by component and follow the symlinks they match", () =>
    expect(copy({ from: SOURCE, sources: ["*/x", "l?"], to: "/o/" })).toEqual(["+ o/ 755 0:0", "+ o/s/ 755 5:6", "+ o/s/y 644 5:6 Y", "+ o/x 644 5:6 X"]));
  test("that match nothing copy nothing", () => expect(copy({ from: SOURCE, sources: ["*.none"], to: "/o/" })).toEqual([]));
  test("below a directory that is missing are an error", () =>
    expect(() => copy({ from: SOURCE, sources: ["none/*.txt"], to: "/o/" })).toThrow(expect.objectContaining({ code: "BUILD_COPY_SOURCE_NOT_FOUND" })));
});

test.each(["missing", "a.txt/x", "d/none", "A.TXT"])("a source %s that isn't there is an error", (source) =>
  expect(() => copy({ from: SOURCE, sources: [source], to: "/n" })).toThrow(expect.objectContaining({ code: "BUILD_COPY_SOURCE_NOT_FOUND" })),
);
test("a source that leads to itself is an error", () =>
  expect(() => copy({ from: SOURCE, sources: ["loop"], to: "/n" })).toThrow(expect.objectContaining({ code: "LAYER_TOO_MANY_LINKS" })));

describe("--chown and --chmod", () => {
  test("apply to directories made on the way, and octal modes too", () =>
    expect(copy({ from: SOURCE, sources: ["d"], to: "/p/q", chown: { uid: 1, gid: 2 }, chmod: "0750" })).toEqual([
      "+ p/ 750 1:2",
      "+ p/q/ 750 1:2",
      "+ p/q/s/ 750 1:2",
      "+ p/q/s/y 750 1:2 Y",
      "+ p/q/x 750 1:2 X",
    ]));
  test("symbolic modes leave made directories 0755", () =>
    expect(copy({ from: SOURCE, sources: ["d"], to: "/q", chmod: "go=,+X" })).toEqual([
      "+ q/ 755 0:0",
      "+ q/s/ 711 5:6",
      "+ q/s/y 600 5:6 Y",
      "+ q/x 600 5:6 X",
    ]));
  test("leave symlinks' modes", () => expect(copy({ from: tree("d/", "d/l->x"), sources: ["d"], to: "/", chmod: "600" })).toEqual(["+ l 777 5:6 -> x"]));
});

describe("--parents", () => {
  test("keeps the directories of the source", () =>
    expect(copy({ from: SOURCE, sources: ["d/s/y"], to: "/o", parents: true })).toEqual([
      "+ o/ 755 0:0",
      "+ o/d/ 700 5:6",
      "+ o/d/s/ 755 5:6",
      "+ o/d/s/y 644 5:6 Y",
    ]));
  test("starts at the pivot", () =>
    expect(copy({ from: SOURCE, sources: ["d/./s/y"], to: "/o/", parents: true })).toEqual(["+ o/ 755 0:0", "+ o/s/ 755 5:6", "+ o/s/y 644 5:6 Y"]));
  test("knows **", () =>
    expect(copy({ from: SOURCE, sources: ["**/y"], to: "/o/", parents: true })).toEqual([
      "+ o/ 755 0:0",
      "+ o/d/ 700 5:6",
      "+ o/d/s/ 755 5:6",
      "+ o/d/s/y 644 5:6 Y",
    ]));
  test("wants a literal path to be there", () =>
    expect(() => copy({ from: SOURCE, sources: ["d/none"], to: "/o/", parents: true })).toThrow(
      expect.objectContaining({ code: "BUILD_COPY_SOURCE_NOT_FOUND" }),
    ));
});

describe("--exclude", () => {
  test("is relative to the source directory", () =>
    expect(copy({ from: SOURCE, sources: ["d"], to: "/o/", exclude: ["s"] })).toEqual(["+ o/ 755 0:0", "+ o/x 644 5:6 X"]));
  test("knows ** and exceptions", () =>
    expect(copy({ from: SOURCE, sources: ["d"], to: "/o/", exclude: ["**", "!s/y"] })).toEqual(["+ o/ 755 0:0", "+ o/s/ 755 5:6", "+ o/s/y 644 5:6 Y"]));
});

test("hardlinks within one source stay, equal node numbers of two sources don't join", () => {
  const builder = createTreeBuilder(tree("d/", "d/a=1"));
  builder.link(toBytePath("d/b"), toBytePath("d/a"));
  const from = builder.finish();
  const destination = createDestination(tree());
  const links = { next: 1 };
  for (const [source, to] of [
    [from, "/one/"],
    [from, "/two/"],
  ] as const) {
    for (const selected of selectSource(source, "d", { parents: false, exclude: [] }))
      placeSelected(destination, selected, { destination: toBytePath(to) }, links);
  }
  const nodes = [...destination.finish().changes].flatMap((change) => (change.kind !== "deleted" && change.entry.type === "file" ? [change.entry.node] : []));
  expect(nodes[0]).toBe(nodes[1]);
  expect(nodes[2]).toBe(nodes[3]);
  expect(nodes[0]).not.toBe(nodes[2]);
});

describe("parseModeChange", () => {
  test.each([
    ["755", 0o644, false, 0o755],
    ["4711", 0o644, false, 0o4711],
    ["u=rwx,go=rx", 0o600, false, 0o755],
    ["go-w", 0o666, false, 0o644],
    ["+X", 0o644, false, 0o644],
    ["+X", 0o744, false, 0o755],
    ["+X", 0o644, true, 0o755],
    ["=rw,+X", 0o755, false, 0o777],
    ["u=rwX,go=rX", 0o600, false, 0o644],
    ["u=rwX,go=rX", 0o740, false, 0o755],
    ["u=rwX,go=rX", 0o700, true, 0o755],
    ["=X", 0o644, false, 0],
    ["go-X", 0o755, false, 0o744],
    ["a+x", 0o640, false, 0o751],
    ["go=", 0o755, false, 0o700],
    ["go=u-w", 0o640, false, 0o644],
    ["g=u", 0o750, false, 0o770],
    ["o=g", 0o750, false, 0o755],
    ["u+s", 0o755, false, 0o4755],
    ["g+s", 0o755, false, 0o2755],
    ["o+s", 0o755, false, 0o755],
    ["+t", 0o777, true, 0o1777],
    ["u=rw", 0o4755, false, 0o655],
    ["a=r", 0o6755, false, 0o444],
    ["u+x-w", 0o644, false, 0o544],
  ])("%s on %i (directory: %j)", (text, mode, isDirectory, expected) => {
    expect(parseModeChange(text).apply(mode, isDirectory).toString(8)).toBe(expected.toString(8));
  });
  test.each(["", "8z", "10000", "u", "x+", "u+q", "0o755", "+,"])("refuses %j", (text) => {
    expect(() => parseModeChange(text)).toThrow(expect.objectContaining({ code: "PLAN_INVALID_INSTRUCTION" }));
  });
});
