import { chmodSync, linkSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { readTar } from "@varve/archive";
import { collectBytes, parentPath, pathComponents, streamOf } from "@varve/bytes";
import { isVarveError } from "@varve/errors";
import { writeTreeDirectory } from "@varve/image";
import { type ContentReader, EMPTY_TREE, type FileTree, indexLayer, type LayerIndex, mergeLayer } from "@varve/layer";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type HostileArchive, hostileArchives } from "../../fixtures/hostile/archives.ts";

/** `<place>/root` is unpacked into; `<place>/canary` and the place itself must stay as they are. */
interface Place {
  readonly directory: string;
  readonly root: string;
  readonly canary: string;
}

let place: Place;
beforeEach(() => {
  const directory = mkdtempSync(join(tmpdir(), "varve-hostile-"));
  place = { directory, root: join(directory, "root"), canary: join(directory, "canary") };
  prepare();
});
afterEach(() => rmSync(place.directory, { recursive: true, force: true }));

/** An empty root, and a fresh canary where the last attempt reached it. */
function prepare(reached = true): void {
  if (!reached) {
    rmSync(place.root, { recursive: true, force: true });
    mkdirSync(place.root);
    return;
  }
  for (const name of readdirSync(place.directory)) rmSync(join(place.directory, name), { recursive: true, force: true });
  mkdirSync(place.canary, { mode: 0o700 });
  mkdirSync(join(place.canary, "keep"), { mode: 0o700 });
  writeFileSync(join(place.canary, "file"), "untouched", { mode: 0o600 });
  mkdirSync(place.root);
}

/** Everything outside the root, by inode, with what a write, chmod, link or unlink would change. */
function fingerprint(): string {
  const seen: string[] = [];
  const visit = (path: string): void => {
    const stat = lstatSync(path, { bigint: true });
    seen.push(
      `${path} ${stat.ino} ${stat.mode} ${stat.nlink} ${stat.size} ${stat.mtimeNs} ${stat.ctimeNs} ${stat.isFile() ? readFileSync(path, "latin1") : ""}`,
    );
    if (stat.isDirectory() && path !== place.root) for (const name of readdirSync(path).toSorted()) visit(join(path, name));
  };
  visit(place.canary);
  return [...seen, readdirSync(place.directory).toSorted().join()].join("\n");
}

type Outcome = "refused" | "escaped" | "unpacked";

async function attempt(archive: HostileArchive, unpack: (archive: HostileArchive) => Promise<void>): Promise<Outcome> {
  const before = fingerprint();
  let refused = false;
  try {
    await unpack(archive);
  } catch (error) {
    // the weak one may fail as it likes
    if (!isVarveError(error) && unpack !== weak) throw new Error(`${archive.name}: ${String(error)}`, { cause: error });
    refused = true;
  }
  const reached = fingerprint() !== before;
  prepare(reached);
  return reached ? "escaped" : refused ? "refused" : "unpacked";
}

async function mergeAll({ layers }: HostileArchive): Promise<{ readonly tree: FileTree; readonly reader: ContentReader }> {
  let tree = EMPTY_TREE;
  const tars = new Map<string, Uint8Array>();
  for (const tar of layers) {
    const index: LayerIndex = await indexLayer(streamOf(tar));
    tars.set(index.diffID, tar);
    tree = mergeLayer(tree, index);
  }
  const reader: ContentReader = {
    open: (ref) =>
      Promise.resolve(
        streamOf(ref.kind === "layer" ? (tars.get(ref.diffID)?.subarray(ref.offset, ref.offset + ref.size) ?? new Uint8Array(0)) : new Uint8Array(0)),
      ),
    digest: () => Promise.reject(new Error("not asked for")),
  };
  return { tree, reader };
}

async function varve(archive: HostileArchive): Promise<void> {
  const { tree, reader } = await mergeAll(archive);
  expectSound(tree, archive.name);
  await writeTreeDirectory(tree, reader, place.root);
}

function expectSound(tree: FileTree, name: string): void {
  for (const { path, type, linkTarget } of tree.walk()) {
    const sound = pathComponents(path).every(
      (component) => component !== "" && component !== "." && component !== ".." && component.length <= 255 && !component.includes("\0"),
    );
    if (!sound || tree.lookup(parentPath(path))?.type !== "directory" || (type === "symlink") !== (linkTarget !== undefined))
      throw new Error(`${name}: ${JSON.stringify(path)} is no entry of a tree`);
  }
}

/** What an extractor does that joins names and hopes: it must be caught, or the harness sees nothing. */
async function weak({ layers }: HostileArchive): Promise<void> {
  for (const tar of layers) {
    for await (const { header, content } of readTar(streamOf(tar))) {
      const path = join(place.root, header.name);
      const bytes = await collectBytes(content, 1e8, () => new Error("limit"));
      // outside the temporary directory nothing is tried for real
      if (!join(path, ".").startsWith(place.directory) || !real(path).startsWith(place.directory)) continue;
      mkdirSync(dirname(path), { recursive: true });
      if (header.type === "directory") {
        mkdirSync(path, { recursive: true });
        chmodSync(path, header.mode);
      } else if (header.type === "symlink") symlinkSync(header.linkName, path);
      else if (header.type === "hardlink") linkSync(join(place.root, header.linkName), path);
      else if (header.name.includes(".wh.")) rmSync(path.replace(".wh.", ""), { recursive: true, force: true });
      else if (header.type === "file") writeFileSync(path, bytes, { mode: header.mode });
    }
  }
}

/** Where a path leads, as far as it exists. */
function real(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path === dirname(path) ? path : join(real(dirname(path)), basename(path));
  }
}

describe("hostile layers", () => {
  test("there are at least 600, each of its own name", () => {
    const names = [...hostileArchives(place.canary)].map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(names.length).toBeGreaterThanOrEqual(600);
  });

  test("every one is refused with a typed error, or is a tree like any other, which unpacked touches nothing outside the root", async () => {
    const outcomes: Record<Outcome, string[]> = { escaped: [], refused: [], unpacked: [] };
    for (const archive of hostileArchives(place.canary)) outcomes[await attempt(archive, varve)].push(archive.name);
    expect(outcomes.escaped).toEqual([]);
    // both happen: a harness in which everything is refused would show nothing
    expect(outcomes.refused.length).toBeGreaterThan(200);
    expect(outcomes.unpacked.length).toBeGreaterThan(100);
  });

  test("a weak extractor is caught", async () => {
    const caught: string[] = [];
    for (const archive of hostileArchives(place.canary)) {
      if (!/^name "\.\.\/canary|through a symlink to "\.\.\/canary"|^hardlink to "\.\.\/canary|^swap/.test(archive.name)) continue;
      if ((await attempt(archive, weak)) === "escaped") caught.push(archive.name);
    }
    for (const kind of [/^name .* file/, /^name .* symlink/, /a file through/, /a mode through/, /a whiteout through/, /^swap/])
      expect(caught.filter((name) => kind.test(name)).length, String(kind)).toBeGreaterThan(0);
  });
});
