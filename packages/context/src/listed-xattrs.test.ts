import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { toBytePath } from "@varve/bytes";
import { describeWithTools } from "@varve/testkit";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { readListedXattrs } from "./listed-xattrs.ts";
import { openDirectoryContext } from "./directory-context.ts";
import { listDirectory, rootBytes } from "./directory-walk.ts";
import { createStatCache } from "./stat-cache.ts";

describeWithTools(["setfattr"], "extended attributes of a context", () => {
  let root: string;
  let work: string;
  beforeEach(async () => {
    work = await mkdtemp(join(tmpdir(), "varve-xattrs-"));
    root = join(work, "context");
    await mkdir(root);
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await rm(work, { recursive: true, force: true });
  });
  const set = (path: string, value: string): void => {
    execFileSync("setfattr", ["-n", "user.kind", "-v", value, join(root, path)]);
  };
  const losses: string[] = [];
  /** As by a build some seconds from now: what there is is no longer fresh. */
  const list = async (): Promise<Readonly<Record<string, string>>> => {
    const listing = await listDirectory(root);
    const cache = createStatCache(join(work, "cache"));
    const onLoss = (message: string): void => void losses.push(message);
    await readListedXattrs(listing, { root: rootBytes(root), since: Date.now() + 10_000, cache, directory: work, onLoss });
    await cache.save();
    const entries = [...listing.tree(rootBytes(root)).walk()].filter(({ xattrs }) => xattrs !== undefined);
    return Object.fromEntries(entries.map(({ path, xattrs }) => [path, Buffer.from(xattrs?.get("user.kind") ?? []).toString()]));
  };

  it("are in the tree, those of a hardlinked file on each name", async () => {
    await mkdir(join(root, "d"));
    await writeFile(join(root, "d/a"), "x");
    execFileSync("ln", [join(root, "d/a"), join(root, "b")]);
    await symlink("b", join(root, "l"));
    set("d", "directory");
    set("b", "file");
    await using context = await openDirectoryContext({ path: root });
    const tree = await context.tree();
    const kind = (path: string): string => Buffer.from(tree.lookup(toBytePath(path))?.xattrs?.get("user.kind") ?? []).toString();
    expect(["d", "d/a", "b", "l"].map(kind)).toEqual(["directory", "file", "file", ""]);
  });

  it("are asked again of a file that changed only", async () => {
    await writeFile(join(root, "a"), "");
    await writeFile(join(root, "b"), "");
    set("b", "1");
    expect(await list()).toEqual({ b: "1" });
    const remembered = await readFile(join(work, "cache"));
    set("b", "2");
    expect(await list()).toEqual({ b: "2" });
    // the file without attributes is known by its state
    expect(await readFile(join(work, "cache"))).toEqual(remembered);
    set("a", "3");
    expect(await list()).toEqual({ a: "3", b: "2" });
  });

  it("are told of when they can't be read", async () => {
    await writeFile(join(root, "a"), "");
    vi.stubEnv("TMPDIR", join(work, "missing"));
    const messages: string[] = [];
    await using context = await openDirectoryContext({ path: root, onWarning: (message) => messages.push(message) });
    expect((await context.tree()).size).toBe(2);
    expect(messages).toEqual([expect.stringContaining("extended attributes of the context's files cannot be read")]);
    expect(losses).toEqual([]);
  });
});
