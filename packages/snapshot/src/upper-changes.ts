import { type BytePath, comparePaths, joinPath } from "@varve/bytes";
import { type Change, type ChangeSet, type ContentReader, type Entry, type FileTree, sameMetadata } from "@varve/layer";
import type { Digest, IOOptions } from "@varve/oci";
import { isKeptXattr } from "@varve/sandbox";
import type { UpperEntry } from "./helper/upper-entry.ts";

/** What {@link findChanges} compares with, and how. */
export interface ChangeFinder extends IOOptions {
  readonly tree: FileTree;
  /** Opens contents of `tree` whose digest is not known; without it such a file counts as changed. */
  readonly treeReader?: ContentReader | undefined;
  /** Names the root filesystem in the contents of what is found. */
  readonly snapshot: string;
  /** Devices of the tree are on the disk. */
  readonly devices: boolean;
  /** With one id, what is new belongs to this user, and what was there keeps the owner it had. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** Told of files that have become set-user-id or set-group-id, where what owner was meant by that is not known. */
  readonly onSetId?: (path: BytePath) => void;
  /** sha256 of changed files, in order. */
  digests(paths: readonly BytePath[]): Promise<readonly Digest[]>;
}

interface Candidate {
  readonly entry: Entry;
  readonly before: Entry;
}

const SET_IDS = 0o6000;

/** Files whose digests are asked for at once. */
const BATCH = 500;

/**
 * What differs from the parent tree among the candidates of an upper directory: type, mode, owner, mtime in whole seconds, size, link
 * target, xattrs, and content where all else agrees; and what is the same as it was, but for a new name of it. The root directory itself
 * is no change, as in other builders.
 */
export async function findChanges(
  candidates: AsyncIterable<readonly UpperEntry[]> | Iterable<readonly UpperEntry[]>,
  finder: ChangeFinder,
): Promise<ChangeSet> {
  const changes: Change[] = [];
  const nodes = new Map<string, number>();
  const equal: Candidate[] = [];
  const links: Candidate[] = [];
  let nextNode = 1;
  for await (const batch of candidates) {
    finder.signal?.throwIfAborted();
    for (const found of batch) {
      const before = finder.tree.lookup(found.path);
      if (found.type === "directory" && before?.type === "directory") changes.push(...deletionsIn(found, finder));
      if (found.path === "") continue;
      const node = found.inode === undefined ? nextNode++ : (nodes.get(found.inode) ?? nextNode++);
      if (found.inode !== undefined) nodes.set(found.inode, node);
      const entry = entryOf(found, { before, node, finder });
      if (finder.owner !== undefined && entry.type === "file" && (entry.mode & SET_IDS & ~(before?.type === "file" ? before.mode : 0)) !== 0)
        finder.onSetId?.(found.path);
      if (found.inode !== undefined && before?.type === found.type) links.push({ entry, before });
      if (before === undefined) changes.push({ kind: "added", path: found.path, entry });
      else if (!sameMetadata(before, entry)) changes.push({ kind: "modified", path: found.path, entry });
      else if (entry.type === "file" && entry.size > 0) equal.push({ entry, before });
    }
  }
  changes.push(...(await changedContents(equal, finder)));
  return { changes: withLinks(changes, links, finder).sort((a, b) => comparePaths(a.path, b.path)) };
}

/**
 * Changes, and with each new name of a file (`links`: what was there and has several names) those that are as they were: as in BuildKit's
 * layers, they are one file then.
 */
function withLinks(changes: readonly Change[], links: readonly Candidate[], { owner }: ChangeFinder): Change[] {
  const changed = new Set(changes.map(({ path }) => path));
  const same = links.filter(({ entry }) => !changed.has(entry.path));
  const known = new Map([...links, ...same].map(({ entry }) => [entry.node, entry]));
  const named = new Set<number>();
  const result = changes.map((change): Change => {
    if (change.kind === "deleted") return change;
    const { entry } = change;
    const other = known.get(entry.node);
    if (other === undefined) return change;
    named.add(entry.node);
    // where the disk has one owner, a file keeps its own under a further name
    const { uid, gid } = owner === undefined ? entry : other;
    return { ...change, entry: { ...entry, uid, gid } };
  });
  for (const { entry } of same) if (named.has(entry.node)) result.push({ kind: "modified", path: entry.path, entry });
  return result;
}

function deletionsIn(directory: UpperEntry, finder: ChangeFinder): Change[] {
  const present = new Set(directory.names);
  const absent = finder.tree.list(directory.path).filter((name) => !present.has(name));
  return absent
    .map((name) => joinPath(directory.path, name))
    .filter((path) => wasVisible(path, finder))
    .map((path) => ({ kind: "deleted", path }));
}

/** Whether the step could see an entry of the tree: not devices where they cannot be made, nor a 0/0 device, which is overlayfs's whiteout. */
function wasVisible(path: BytePath, { tree, devices }: ChangeFinder): boolean {
  const entry = tree.lookup(path);
  if (entry?.type !== "char" && entry?.type !== "block") return true;
  return devices && !(entry.type === "char" && entry.device?.major === 0 && entry.device.minor === 0);
}

function entryOf(
  found: UpperEntry,
  { before, node, finder }: { readonly before: Entry | undefined; readonly node: number; readonly finder: ChangeFinder },
): Entry {
  const { path, type, mode, mtime, size } = found;
  const { uid, gid } = finder.owner === undefined ? found : before?.type === type ? before : finder.owner;
  return {
    path,
    type,
    mode,
    uid,
    gid,
    mtime,
    size,
    node,
    ...(found.target === undefined ? {} : { linkTarget: found.target }),
    ...(found.major === undefined ? {} : { device: { major: found.major, minor: found.minor ?? 0 } }),
    ...xattrsOf(found, before),
    ...(type === "file" ? { content: { kind: "snapshot", snapshot: finder.snapshot, path, size } } : {}),
  };
}

/** What the disk has, and what it could not be given of the file that was there. */
function xattrsOf(found: UpperEntry, before: Entry | undefined): Pick<Entry, "xattrs"> {
  const xattrs = new Map(Object.entries(found.xattrs ?? {}).map(([name, value]) => [name, new Uint8Array(Buffer.from(value, "base64"))]));
  if (before?.type === found.type) for (const [name, value] of before.xattrs ?? []) if (!isKeptXattr(name, found.type)) xattrs.set(name, new Uint8Array(value));
  return xattrs.size === 0 ? {} : { xattrs };
}

/** Of files that agree in all else, those whose bytes differ. */
async function changedContents(candidates: readonly Candidate[], finder: ChangeFinder): Promise<Change[]> {
  const changes: Change[] = [];
  for (let at = 0; at < candidates.length; at += BATCH) {
    const part = candidates.slice(at, at + BATCH);
    const digests = await finder.digests(part.map(({ entry }) => entry.path));
    for (const [i, { entry, before }] of part.entries()) {
      const digest = digests[i];
      if (digest === undefined || (await digestOf(before, finder)) === digest) continue;
      changes.push({
        kind: "modified",
        path: entry.path,
        entry: { ...entry, content: { kind: "snapshot", snapshot: finder.snapshot, path: entry.path, size: entry.size, digest } },
      });
    }
  }
  return changes;
}

async function digestOf({ content }: Entry, finder: ChangeFinder): Promise<Digest | undefined> {
  if (content === undefined) return undefined;
  if ("digest" in content && content.digest !== undefined) return content.digest;
  return await finder.treeReader?.digest(content, { signal: finder.signal });
}
