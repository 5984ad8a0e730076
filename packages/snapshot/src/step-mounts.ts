import { statSync } from "node:fs";
import { type BytePath, ROOT } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import { type ContentReader, createTreeBuilder, type Entry, type FileTree, resolvePath, type TreeBuilder } from "@varve/layer";
import type { Ids } from "@varve/sandbox";
import { APT_CONFIGURATION, hostFiles } from "./host-files.ts";
import type { MountShape } from "./mount-plan.ts";
import type { RunMountSource, RunStep } from "./runner.ts";

/** One mount of a step: its shape, and what has to be brought into the helper for it. */
export interface StepMount extends MountShape {
  readonly source:
    /** A copy of a tree or a file, thrown away after. */
    | { readonly kind: "copy"; readonly readonly: boolean; readonly entries: () => Iterable<Entry>; readonly reader?: ContentReader }
    /** A small file, kept in memory. */
    | { readonly kind: "file"; readonly readonly: boolean; readonly content: Uint8Array; readonly mode: number; readonly uid: number; readonly gid: number }
    | {
        readonly kind: "cache";
        readonly mount: RunMountSource & { readonly kind: "cache" };
        readonly entries?: () => Iterable<Entry>;
        readonly reader?: ContentReader;
      }
    | { readonly kind: "host"; readonly path: string; readonly readonly: boolean }
    | { readonly kind: "tmpfs"; readonly size?: number }
    | { readonly kind: "ssh"; readonly mount: RunMountSource & { readonly kind: "ssh" } };
}

/** All mounts of a step but /dev, /proc and /sys: the files every step gets, then its own. */
export function stepMounts(step: RunStep, ids: Ids): StepMount[] {
  const files = hostFiles(step);
  const mounts: StepMount[] = files.map(({ target, content }) => generated(target, content));
  if (ids === "one" && step.tree.lookup(APT_CONFIGURATION.directory as BytePath)?.type === "directory") {
    mounts.push(generated(APT_CONFIGURATION.target, APT_CONFIGURATION.content));
  }
  return [...mounts, ...step.mounts.map(mountOf)];
}

function generated(target: string, content: Uint8Array): StepMount {
  return { target, type: "file", source: { kind: "file", readonly: false, content, mode: 0o644, uid: 0, gid: 0 } };
}

function mountOf(mount: RunMountSource): StepMount {
  const { target } = mount;
  switch (mount.kind) {
    case "bind": {
      const { type, builder, entries } = subtree(mount);
      return { target, type, ...(builder === undefined ? {} : { builder }), source: { kind: "copy", readonly: mount.readonly, entries, reader: mount.reader } };
    }
    case "cache": {
      if (mount.from === undefined) return { target, type: "directory", source: { kind: "cache", mount } };
      const { type, entries } = subtree({ ...mount.from, target });
      if (type !== "directory") throw new VarveError("SNAPSHOT_MOUNT_TARGET", `the source of the cache mount on ${target} is no directory`);
      return { target, type, source: { kind: "cache", mount, entries, reader: mount.from.reader } };
    }
    case "host":
      return { target, type: hostType(mount), source: { kind: "host", path: mount.source, readonly: mount.readonly } };
    case "tmpfs":
      return { target, type: "directory", source: { kind: "tmpfs", ...(mount.size === undefined ? {} : { size: mount.size }) } };
    case "file":
      return { target, type: "file", source: { ...mount, readonly: true } };
    case "ssh":
      return { target, type: "file", source: { kind: "ssh", mount } };
  }
}

function hostType({ source, target }: RunMountSource & { readonly kind: "host" }): "directory" | "file" {
  try {
    return statSync(source).isDirectory() ? "directory" : "file";
  } catch (cause) {
    throw new VarveError("SNAPSHOT_MOUNT_TARGET", `cannot mount ${source} on ${target}: it is not there`, { cause });
  }
}

/** What a tree holds at `source`, as a tree of its own (directories) or a single entry at its root (files). */
function subtree({ tree, source, target }: { readonly tree: FileTree; readonly source: string; readonly target: string }): {
  readonly type: "directory" | "file";
  readonly builder?: TreeBuilder;
  readonly entries: () => Iterable<Entry>;
} {
  const { path, entry } = resolvePath(tree, source, { followLast: true });
  if (entry === undefined) throw new VarveError("SNAPSHOT_MOUNT_TARGET", `the source ${JSON.stringify(source)} of the mount on ${target} does not exist`);
  if (entry.type !== "directory") return { type: "file", entries: () => [entry] };
  const builder = createTreeBuilder();
  for (const found of tree.walk(path)) builder.set({ ...found, path: (path === ROOT ? found.path : found.path.slice(path.length + 1)) as BytePath });
  return { type: "directory", builder, entries: () => builder.finish().walk() };
}
