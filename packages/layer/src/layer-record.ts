import type { BytePath } from "@varve/bytes";
import { type IndexReader, type IndexWriter, invalidIndex } from "./index-encoding.ts";
import type { LayerEntry, LayerEntryKind } from "./layer-entry.ts";

/** What an entry can be; their positions are part of the format. */
export const RECORD_KINDS: readonly LayerEntryKind[] = ["file", "directory", "symlink", "fifo", "char", "block", "hardlink", "whiteout", "opaque"];
/** Marks an entry with a digest. */
export const HAS_DIGEST = 0x10;
/** As {@link HAS_DIGEST}, of extended attributes. */
export const HAS_XATTRS = 0x20;

/** Writes one entry; its path as what differs from the path before. */
export function writeRecord(out: IndexWriter, entry: LayerEntry, previous: string): void {
  const kind = RECORD_KINDS.indexOf(entry.kind);
  out.number(kind | (entry.digest === undefined ? 0 : HAS_DIGEST) | (entry.xattrs === undefined ? 0 : HAS_XATTRS));
  const shared = sharedLength(entry.path, previous);
  out.number(shared);
  out.text(entry.path, shared);
  if (entry.kind === "whiteout" || entry.kind === "opaque") return;
  out.number(entry.mode);
  out.number(entry.uid);
  out.number(entry.gid);
  out.signed(entry.mtime);
  if (entry.kind === "file") {
    out.number(entry.size);
    out.number(entry.offset);
  }
  if (entry.digest !== undefined) out.digest(entry.digest);
  if (entry.kind === "symlink" || entry.kind === "hardlink") out.text(entry.linkTarget ?? "");
  if (entry.kind === "char" || entry.kind === "block") {
    out.number(entry.device?.major ?? 0);
    out.number(entry.device?.minor ?? 0);
  }
  if (entry.xattrs !== undefined) writeXattrs(out, entry.xattrs);
}

/** Reads one entry. Throws LAYER_INVALID_INDEX. */
export function readRecord(input: IndexReader, previous: string): LayerEntry {
  const mark = input.number();
  const kind = RECORD_KINDS[mark & 0x0f];
  const shared = input.number();
  if (kind === undefined || shared > previous.length) throw invalidIndex("an entry in it is malformed");
  const path = (previous.slice(0, shared) + input.text()) as BytePath;
  if (kind === "whiteout" || kind === "opaque") return { kind, path, mode: 0, uid: 0, gid: 0, mtime: 0, size: 0, offset: 0 };
  const mode = input.number();
  const uid = input.number();
  const gid = input.number();
  const mtime = input.signed();
  // literals, as there may be a million: spreads are slow
  if (kind === "file") {
    const size = input.number();
    const offset = input.number();
    const plain =
      (mark & HAS_DIGEST) === 0
        ? { kind, path, mode, uid, gid, mtime, size, offset }
        : { kind, path, mode, uid, gid, mtime, size, offset, digest: input.digest() };
    return (mark & HAS_XATTRS) === 0 ? plain : { ...plain, xattrs: readXattrs(input) };
  }
  const plain = { kind, path, mode, uid, gid, mtime, size: 0, offset: 0 };
  const special =
    kind === "symlink" || kind === "hardlink"
      ? { ...plain, linkTarget: input.text() as BytePath }
      : kind === "char" || kind === "block"
        ? { ...plain, device: { major: input.number(), minor: input.number() } }
        : plain;
  return (mark & HAS_XATTRS) === 0 ? special : { ...special, xattrs: readXattrs(input) };
}

function sharedLength(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) if (a.charCodeAt(i) !== b.charCodeAt(i)) return i;
  return length;
}

function writeXattrs(out: IndexWriter, xattrs: ReadonlyMap<string, Uint8Array>): void {
  out.number(xattrs.size);
  for (const [name, value] of xattrs) {
    out.text(name);
    out.number(value.length);
    out.raw(value);
  }
}

function readXattrs(input: IndexReader): ReadonlyMap<string, Uint8Array> {
  const xattrs = new Map<string, Uint8Array>();
  for (let left = input.number(); left > 0; left--) {
    const name = input.text();
    xattrs.set(name, input.raw(input.number()).slice());
  }
  return xattrs;
}
