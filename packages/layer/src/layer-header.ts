import type { TarHeader } from "@varve/archive";
import { baseName, type BytePath, joinPath, parentPath } from "@varve/bytes";
import type { Entry } from "./entry.ts";
import type { LayerEntry } from "./layer-entry.ts";
import { checkedComponents, invalidEntry } from "./path-check.ts";

/** What a layer says about one path: its tar header, and its entry in the index (a file's place and digest not yet known). */
export interface LayerDescription {
  readonly header: TarHeader;
  readonly record: LayerEntry;
}

const WHITEOUT = ".wh.";
const NO_XATTRS: ReadonlyMap<string, Uint8Array> = new Map();
const NOTHING = "" as BytePath;

/** The description of a deletion. Throws LAYER_INVALID_ENTRY. */
export function describeDeletion(path: BytePath): LayerDescription {
  const record: LayerEntry = { kind: "whiteout", path, mode: 0, uid: 0, gid: 0, mtime: 0, size: 0, offset: 0 };
  checkName(path);
  return { header: headerOf({ ...record, kind: "file", mode: 0o644 }, joinPath(parentPath(path), `${WHITEOUT}${baseName(path)}` as BytePath)), record };
}

/**
 * The description of an entry: as a hardlink when `first` is a path of the same file that the layer already holds. `latestTime` is in seconds. Throws
 * LAYER_INVALID_ENTRY for names a layer can't hold.
 */
export function describeEntry(entry: Entry, first: BytePath | undefined, latestTime: number): LayerDescription {
  const { path, type, mode, uid, gid } = entry;
  checkName(path);
  const kind: LayerEntry["kind"] = first === undefined || type === "directory" ? type : "hardlink";
  const linkTarget = kind === "hardlink" ? first : entry.linkTarget;
  // a hardlink repeats them: an unpacker changes its owner, which takes a file's capabilities away
  const xattrs = storedXattrs(entry.xattrs);
  const plain = { kind, path, mode, uid, gid, mtime: Math.min(Math.floor(entry.mtime), latestTime), size: kind === "file" ? entry.size : 0, offset: 0 };
  const isDevice = kind === "char" || kind === "block";
  const record: LayerEntry =
    linkTarget === undefined && xattrs.size === 0 && !isDevice
      ? plain
      : {
          ...plain,
          ...(linkTarget === undefined ? {} : { linkTarget }),
          ...(isDevice ? { device: entry.device ?? { major: 0, minor: 0 } } : {}),
          ...(xattrs.size === 0 ? {} : { xattrs }),
        };
  return describeRecord(record);
}

/** The description of an index's entry that is no whiteout. */
export function describeRecord(record: LayerEntry): LayerDescription {
  const { path, kind } = record;
  return { header: headerOf(record, (path === "" ? "./" : kind === "directory" ? `${path}/` : path) as BytePath), record };
}

function headerOf(record: LayerEntry, name: BytePath): TarHeader {
  const { kind, mode, uid, gid, size, mtime } = record;
  return {
    name,
    type: kind as TarHeader["type"],
    mode,
    uid,
    gid,
    size,
    mtime,
    linkName: record.linkTarget ?? NOTHING,
    deviceMajor: record.device?.major ?? 0,
    deviceMinor: record.device?.minor ?? 0,
    userName: "",
    groupName: "",
    xattrs: record.xattrs ?? NO_XATTRS,
  };
}

/** A file whose name begins as a whiteout's does would delete another when the layer is read. */
function checkName(path: BytePath): void {
  const components = checkedComponents(path);
  if (path.includes(WHITEOUT) && components.some((component) => component.startsWith(WHITEOUT))) {
    throw invalidEntry(path, "has a name that begins with .wh., which no layer can hold");
  }
}

function storedXattrs(xattrs: Entry["xattrs"]): ReadonlyMap<string, Uint8Array> {
  if (xattrs === undefined) return NO_XATTRS;
  const kept = [...xattrs].filter(([name]) => !name.startsWith("user.") && !name.startsWith("trusted.") && name !== "security.selinux");
  return new Map(kept.sort(([a], [b]) => (a < b ? -1 : 1)));
}
