import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { encodeTarHeader, sha256Hex, TAR_END } from "@varve/archive";
import { type BytePath, concatBytes, streamOf, toBytePath } from "@varve/bytes";
import { createTreeBuilder, type FileTree } from "@varve/layer";
import { digestFromHex, type DiffID } from "@varve/oci";
import { PLAIN_TAR_HEADER } from "@varve/testkit";
import type { RunStep, StackedLayer } from "./runner.ts";

/** A tree of one layer, with the layer. */
export interface FixtureRoot {
  readonly tree: FileTree;
  readonly layers: readonly StackedLayer[];
}

/** One file, directory or link of a {@link fixtureRoot}; `uid` and `gid` default to 0, `mtime` to 1700000000. */
export interface FixtureEntry {
  readonly path: string;
  /** A `char` is /dev/null. */
  readonly type?: "file" | "directory" | "symlink" | "fifo" | "char";
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly content?: Uint8Array | string;
  readonly target?: string;
}

const MTIME = 1_700_000_000;

/** A root filesystem of these entries as one layer. */
export function fixtureRoot(entries: readonly FixtureEntry[]): FixtureRoot {
  const pieces: Uint8Array[] = [];
  const sizes: { readonly entry: FixtureEntry; readonly offset: number; readonly bytes: Uint8Array }[] = [];
  let position = 0;
  for (const entry of entries) {
    const bytes = typeof entry.content === "string" ? Buffer.from(entry.content) : (entry.content ?? new Uint8Array());
    const { type = "file", mode = type === "directory" ? 0o755 : 0o644, uid = 0, gid = 0 } = entry;
    const header = encodeTarHeader({
      ...PLAIN_TAR_HEADER,
      name: toBytePath(entry.path),
      type,
      mode,
      uid,
      gid,
      size: bytes.length,
      mtime: MTIME,
      linkName: toBytePath(entry.target ?? ""),
      deviceMajor: type === "char" ? 1 : 0,
      deviceMinor: type === "char" ? 3 : 0,
    });
    sizes.push({ entry, offset: position + header.length, bytes });
    const padding = new Uint8Array(-bytes.length & 511);
    pieces.push(header, bytes, padding);
    position += header.length + bytes.length + padding.length;
  }
  const tar = concatBytes([...pieces, TAR_END]);
  const diffID = digestFromHex(sha256Hex(tar)) as string as DiffID;
  const builder = createTreeBuilder();
  builder.set({ path: "" as BytePath, type: "directory", mode: 0o755, uid: 0, gid: 0, mtime: MTIME, size: 0 });
  for (const { entry, offset, bytes } of sizes) {
    const { type = "file", mode = type === "directory" ? 0o755 : type === "symlink" ? 0o777 : 0o644, uid = 0, gid = 0 } = entry;
    builder.set({
      path: toBytePath(entry.path),
      type,
      mode,
      uid,
      gid,
      mtime: MTIME,
      size: bytes.length,
      ...(type === "symlink" ? { linkTarget: toBytePath(entry.target ?? "") } : {}),
      ...(type === "file" ? { content: { kind: "layer", diffID, offset, size: bytes.length, digest: digestFromHex(sha256Hex(bytes)) } } : {}),
    });
  }
  return { tree: builder.finish(), layers: [{ diffID, openTar: () => Promise.resolve(streamOf(tar)) }] };
}

/** Entries of a root filesystem of busybox-static, with its applets as links. Empty where busybox is not installed. */
export function busyboxEntries(): FixtureEntry[] {
  const directories = ["bin", "sbin", "usr", "usr/bin", "usr/sbin", "etc", "dev", "proc", "sys", "root", "home", "var", "run", "tmp", "lib"];
  const applets = execFileSync("/bin/busybox", ["--list-full"], { encoding: "utf8" })
    .split("\n")
    .filter((name) => name !== "" && name !== "bin/busybox");
  return [
    ...directories.map((path) => ({ path, type: "directory" as const, mode: path === "tmp" ? 0o1777 : path === "root" ? 0o700 : 0o755 })),
    { path: "bin/busybox", mode: 0o755, content: readFileSync("/bin/busybox") },
    ...applets
      .filter((path) => directories.includes(path.slice(0, path.lastIndexOf("/"))))
      .map((path) => ({ path, type: "symlink" as const, target: "/bin/busybox" })),
    { path: "etc/passwd", content: "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n" },
    { path: "etc/group", content: "root:x:0:\nnogroup:x:65534:\n" },
  ];
}

/** A step that runs a shell script, with what most steps have. */
export function shellStep(root: FixtureRoot, script: string, more: Partial<RunStep> = {}): RunStep {
  return {
    layers: root.layers,
    tree: root.tree,
    args: ["/bin/sh", "-c", script],
    env: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],
    cwd: "/",
    user: { uid: 0, gid: 0, groups: [] },
    network: "default",
    insecure: false,
    hostname: "buildkitsandbox",
    extraHosts: [],
    ulimits: [],
    mounts: [],
    stdio: "capture",
    ...more,
  };
}
