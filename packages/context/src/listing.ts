import { createHash } from "node:crypto";
import type { BytePath } from "@varve/bytes";
import { createTreeBuilder, type Entry, type FileTree } from "@varve/layer";
import { type Digest, digestFromHex } from "@varve/oci";
import { deviceNumbers, entryType, isRegular } from "./disk-stat.ts";
import { type FileState, FileStates } from "./file-states.ts";
import { type ListedFiles, ListingTree } from "./listing-tree.ts";
import { PathColumn } from "./path-column.ts";

/** An entry that has no place in a tree yet. */
export type ListedEntry = Omit<Entry, "node">;

/** A file or directory, which may have extended attributes. */
export interface ListedHolder {
  readonly row: number;
  readonly path: BytePath;
  readonly type: "file" | "directory";
  readonly state: FileState;
}

/** What `lstat` said of a file. */
export interface ListedFile extends FileState {
  readonly path: BytePath;
  /** Type and permissions, as `st_mode`. */
  readonly mode: number;
  readonly links: number;
  /** Of symlinks. */
  readonly linkTarget: BytePath | undefined;
  /** `st_rdev`, of devices. */
  readonly rdev?: bigint;
}

/** What was found in a directory: paths and what `lstat` said of them, sorted as a walk. Columns, so that a million files cost little. */
export interface Listing {
  add(file: ListedFile): void;
  /** Digest of all paths and states: equal ones mean that nothing changed in between. Nothing can be added after it was asked for. */
  fingerprint(): Digest;
  /** The latest ctime, milliseconds since the epoch; a state this fresh may still change unnoticed. */
  newest(): number;
  /** Files and directories. */
  holders(): Iterable<ListedHolder>;
  /** Of a holder; before `tree` is asked for. */
  setXattrs(row: number, xattrs: ReadonlyMap<string, Uint8Array>): void;
  /** `root` is where contents are, in bytes, without a slash at its end. Owners are 0:0, files of one inode are hardlinks. Nothing can be added afterwards. */
  tree(root: string, adjust?: (entry: ListedEntry) => ListedEntry): FileTree;
}

/** Creates an empty {@link Listing}. */
export function createListing(): Listing {
  const paths = new PathColumn();
  const states = new FileStates();
  const targets = new Map<number, BytePath>();
  const devices = new Map<number, { readonly major: number; readonly minor: number }>();
  /** Rows with more than one link. */
  const linked = new Set<number>();
  let newest = 0n;
  let fingerprint: Digest | undefined;
  const xattrs = new Map<number, ReadonlyMap<string, Uint8Array>>();
  const files: ListedFiles = { paths, states, targets, devices, xattrs, linked };
  return {
    add(file) {
      const row = states.length;
      states.append(file);
      paths.append(file.path);
      if (file.ctimeNs > newest) newest = file.ctimeNs;
      if (file.linkTarget !== undefined) targets.set(row, file.linkTarget);
      if (file.rdev !== undefined) devices.set(row, deviceNumbers(file.rdev));
      // not of sockets, which are files of their own here
      if (file.links > 1 && isRegular(file.mode)) linked.add(row);
    },
    fingerprint() {
      if (fingerprint !== undefined) return fingerprint;
      const hash = createHash("sha256");
      for (const bytes of paths.bytes()) hash.update(bytes);
      for (const bytes of states.bytes()) hash.update(bytes);
      // a symlink's state says when it was made, and a new target needs a new one; so with a device's numbers
      return (fingerprint = digestFromHex(hash.digest("hex")));
    },
    newest: () => Number(newest / 1_000_000n),
    *holders() {
      for (let row = 0; row < states.length; row++) {
        const type = entryType(states.mode(row));
        if (type === "file" || type === "directory") yield { row, path: paths.read(row), type, state: states.state(row) };
      }
    },
    setXattrs: (row, found) => void xattrs.set(row, found),
    tree(root, adjust) {
      const tree = new ListingTree(files, root);
      if (adjust === undefined) return tree;
      const builder = createTreeBuilder();
      for (const entry of tree.walk()) if (entry.path !== "") builder.set({ ...entry, ...adjust(entry) });
      return builder.finish();
    },
  };
}
