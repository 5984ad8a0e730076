import { type BytePath, toBytePath } from "@varve/bytes";
import { expect, test } from "vitest";
import { createTreeBuilder, resolvePath } from "./index.ts";

const builder = createTreeBuilder();
const common = { mode: 0o777, uid: 0, gid: 0, mtime: 0, size: 0 };
const link = (path: string, target: string) => builder.set({ ...common, type: "symlink", path: toBytePath(path), linkTarget: toBytePath(target) });
builder.set({ ...common, type: "file", path: toBytePath("usr/bin/sh"), content: { kind: "bytes", bytes: new Uint8Array(0), size: 0 } });
builder.set({ ...common, type: "directory", path: toBytePath("var/lib") });
link("bin", "usr/bin");
link("abs", "/usr/bin");
link("var/up", "../usr");
link("out", "../../../../usr/../../usr/bin");
link("dangling", "var/none/deep");
link("loop", "loop");
link("self", ".");
link("filelink", "usr/bin/sh");
for (let i = 0; i < 40; i++) link(`chain${i}`, i === 0 ? "usr" : `chain${i - 1}`);
link("chain40", "chain39");
const tree = builder.finish();

const CASES: readonly (readonly [path: string, follow: boolean, resolved: string, existing: string])[] = [
  ["", true, "", ""],
  ["/", true, "", ""],
  ["..", true, "", ""],
  ["/../../usr", true, "usr", "usr"],
  ["usr//./bin/", true, "usr/bin", "usr/bin"],
  ["bin", true, "usr/bin", "usr/bin"],
  ["bin", false, "bin", "bin"],
  ["bin/", false, "usr/bin", "usr/bin"],
  ["bin/.", false, "usr/bin", "usr/bin"],
  ["bin/sh", false, "usr/bin/sh", "usr/bin/sh"],
  ["bin/..", true, "usr", "usr"],
  ["abs/sh", true, "usr/bin/sh", "usr/bin/sh"],
  ["var/up/bin/sh", true, "usr/bin/sh", "usr/bin/sh"],
  ["out/sh", true, "usr/bin/sh", "usr/bin/sh"],
  ["var/../bin/new/file", true, "usr/bin/new/file", "usr/bin"],
  ["new/../usr", true, "usr", "usr"],
  ["new/dir/..", true, "new", ""],
  ["new/../bin/sh", true, "usr/bin/sh", "usr/bin/sh"],
  ["dangling", true, "var/none/deep", "var"],
  ["dangling/f", true, "var/none/deep/f", "var"],
  ["dangling", false, "dangling", "dangling"],
  ["usr/bin/sh/below", true, "usr/bin/sh/below", "usr/bin/sh"],
  ["filelink/below", true, "usr/bin/sh/below", "usr/bin/sh"],
  ["usr/bin/sh/../x", true, "usr/bin/x", "usr/bin"],
  ["self/self/self/usr", true, "usr", "usr"],
  ["chain39", true, "usr", "usr"],
];

test.each(CASES)("%j, follow %s: %j, %j exists", (path, followLast, resolved, existing) => {
  const found = resolvePath(tree, path, { followLast });
  expect(found).toMatchObject({
    path: resolved,
    existing,
    missing: resolved === existing ? [] : (resolved.slice(existing === "" ? 0 : existing.length + 1).split("/") as BytePath[]),
  });
  expect(found.entry).toEqual(resolved === existing ? tree.lookup(toBytePath(resolved)) : undefined);
});

test.each(["loop", "loop/x", "chain40"])("%s goes through too many links", (path) => {
  expect(() => resolvePath(tree, path, { followLast: true })).toThrow(expect.objectContaining({ code: "LAYER_TOO_MANY_LINKS" }));
});
