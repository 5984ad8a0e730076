import { createHash } from "node:crypto";
import type { BigIntStats } from "node:fs";
import type { BytePath } from "@varve/bytes";
import { createTreeBuilder, type Entry, type FileTree } from "@varve/layer";
import { type Digest, digestFromHex } from "@varve/oci";
import { deviceNumbers, wholeSeconds } from "./disk-stat.ts";

/** An entry that has no place in a tree yet. */
export type ListedEntry = Omit<Entry, "node">;

/** What was found in a directory: paths and what `lstat` said of them, parents first. Columns, so that a million files cost little. */
export interface Listing {
  add(path: BytePath, stats: BigIntStats, linkTarget?: BytePath): void;
  /** Digest of all paths and states: equal ones mean that nothing changed in between. Nothing can be added after it was asked for. */
  fingerprint(): Digest;
  /** The latest ctime, milliseconds since the epoch; a state this fresh may still change unnoticed. */
  newest(): number;
  /** `root` is where contents are, in bytes, without a slash at its end. Owners are 0:0, files of one inode are hardlinks. */
  tree(root: string, adjust?: (entry: ListedEntry) => ListedEntry): FileTree;
}

/** dev, ino, mode, size, mtime, ctime, rdev. */
const FIELDS = 7;
const KIND = 0o170000n;
const TYPES: ReadonlyMap<bigint, Entry["type"]> = new Map([
  [0o100000n, "file"],
  [0o040000n, "directory"],
  [0o120000n, "symlink"],
  [0o010000n, "fifo"],
  [0o020000n, "char"],
  [0o060000n, "block"],
]);

/** The type of an entry; `undefined` for what no image can hold (sockets). */
export function entryType(stats: BigIntStats): Entry["type"] | undefined {
  return TYPES.get(stats.mode & KIND);
}

/** Creates an empty {@link Listing}. */
export function createListing(): Listing {
  const paths: BytePath[] = [];
  const targets = new Map<number, BytePath>();
  /** Rows with more than one link. */
  const linked = new Set<number>();
  let states = new BigInt64Array(FIELDS * 256);
  let newest = 0n;
  let fingerprint: Digest | undefined;
  return {
    add(path, stats, linkTarget) {
      const at = FIELDS * paths.length;
      if (at >= states.length) {
        const grown = new BigInt64Array(states.length * 2);
        grown.set(states);
        states = grown;
      }
      states[at] = stats.dev;
      states[at + 1] = stats.ino;
      states[at + 2] = stats.mode;
      states[at + 3] = stats.size;
      states[at + 4] = stats.mtimeNs;
      states[at + 5] = stats.ctimeNs;
      states[at + 6] = stats.rdev;
      if (stats.ctimeNs > newest) newest = stats.ctimeNs;
      if (linkTarget !== undefined) targets.set(paths.length, linkTarget);
      else if (stats.nlink > 1n && stats.isFile()) linked.add(paths.length);
      paths.push(path);
    },
    fingerprint() {
      if (fingerprint !== undefined) return fingerprint;
      const hash = createHash("sha256").update(paths.join("\0"), "latin1").update("\0\0");
      hash.update(new Uint8Array(states.buffer, 0, FIELDS * 8 * paths.length));
      // a symlink's state says when it was made, and a new target needs a new one
      return (fingerprint = digestFromHex(hash.digest("hex")));
    },
    newest: () => Number(newest / 1_000_000n),
    tree(root, adjust = (entry) => entry) {
      const builder = createTreeBuilder();
      const first = new Map<string, BytePath>();
      for (const [row, path] of paths.entries()) {
        const state = states.subarray(FIELDS * row, FIELDS * (row + 1));
        if (linked.has(row)) {
          const inode = `${state[0] ?? 0n}:${state[1] ?? 0n}`;
          const target = first.get(inode);
          if (target !== undefined) {
            builder.link(path, target);
            continue;
          }
          first.set(inode, path);
        }
        builder.set(adjust(describe(root, path, state, targets.get(row))));
      }
      return builder.finish();
    },
  };
}

function describe(root: string, path: BytePath, state: BigInt64Array, linkTarget: BytePath | undefined): ListedEntry {
  const [device = 0n, inode = 0n, mode = 0n, length = 0n, mtimeNs = 0n, ctimeNs = 0n, rdev = 0n] = state;
  const type = TYPES.get(mode & KIND) ?? "file";
  const entry = { path, type, mode: Number(mode & 0o7777n), uid: 0, gid: 0, mtime: wholeSeconds(mtimeNs), size: 0 };
  switch (type) {
    case "file": {
      const size = Number(length);
      // the column is signed for the times' sake
      const stat = { device: unsigned(device), inode: unsigned(inode), mtimeNs: mtimeNs.toString(), ctimeNs: ctimeNs.toString() };
      return { ...entry, size, content: { kind: "disk", path: `${root}/${path}` as BytePath, size, stat } };
    }
    case "symlink":
      return { ...entry, mode: 0o777, ...(linkTarget === undefined ? {} : { linkTarget }) };
    case "char":
    case "block":
      return { ...entry, device: deviceNumbers(rdev) };
    default:
      return entry;
  }
}

function unsigned(value: bigint): string {
  return (value < 0n ? BigInt.asUintN(64, value) : value).toString();
}
