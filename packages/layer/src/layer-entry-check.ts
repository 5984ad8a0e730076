import type { TarHeader } from "@varve/archive";
import { type BytePath, joinPath, ROOT } from "@varve/bytes";
import type { LayerEntry, LayerEntryKind } from "./layer-entry.ts";
import { checkedComponents, invalidEntry } from "./path-check.ts";

const WHITEOUT = ".wh.";
const OPAQUE = ".wh..wh..opq";
/** What aufs kept in the root of its layers; old images hold them, and every unpacker passes over them. */
const AUFS: ReadonlySet<string> = new Set([".wh..wh.aufs", ".wh..wh.orph", ".wh..wh.plnk"]);
/** Bytes (hardening.md, "Limits"). */
const XATTR_LIMIT = 64 * 1024;
/** A time must survive as a whole number of seconds. */
const MTIME_LIMIT = 2 ** 43;

/**
 * The entry of a layer that a tar header describes, its name and link checked: `..`, `.wh.` oddities and hardlinks that leave the root are
 * LAYER_INVALID_ENTRY. `undefined` for what is passed over. `offset` is where the content starts.
 */
export function checkLayerEntry(header: TarHeader, offset: number): LayerEntry | undefined {
  const path = treePath(header.name, header.name);
  if (header.type !== "directory" && header.name.endsWith("/")) throw invalidEntry(header.name, `is a ${header.type} whose name ends with a slash`);
  if (path === ROOT && header.type !== "directory") throw invalidEntry(header.name, "is the root and no directory");
  const components = checkedComponents(path);
  if (AUFS.has(components[0] ?? "")) return undefined;
  const name = components.at(-1) ?? ROOT;
  for (const component of components.slice(0, -1)) if (component.startsWith(WHITEOUT)) throw invalidEntry(path, "lies below a whiteout");
  if (name.startsWith(WHITEOUT)) return checkWhiteout(path, name, header);
  return {
    kind: header.type,
    path,
    mode: header.mode,
    uid: header.uid,
    gid: header.gid,
    mtime: checkTime(path, header.mtime),
    size: header.size,
    offset: header.type === "file" ? offset : 0,
    ...(header.type === "hardlink" ? { linkTarget: hardlinkTarget(path, header.linkName) } : {}),
    ...(header.type === "symlink" ? { linkTarget: symlinkTarget(path, header.linkName) } : {}),
    ...(header.type === "char" || header.type === "block" ? { device: { major: header.deviceMajor, minor: header.deviceMinor } } : {}),
    ...(header.xattrs.size === 0 ? {} : { xattrs: checkXattrs(path, header.xattrs) }),
  };
}

/** A name in a tar as a tree path: leading slashes, `.` and empty components go; `..` is an error about `entry`. */
function treePath(name: BytePath, entry: BytePath): BytePath {
  // most names are tree paths already
  const components = name.split("/");
  const kept: string[] = [];
  for (const component of components) {
    if (component === "" || component === ".") continue;
    if (component === "..") throw invalidEntry(entry, name === entry ? "has a name with `..`" : "is a hardlink whose target has `..`");
    kept.push(component);
  }
  return kept.join("/") as BytePath;
}

function checkWhiteout(path: BytePath, name: BytePath, header: TarHeader): LayerEntry {
  const parent = path.slice(0, Math.max(0, path.length - name.length - 1)) as BytePath;
  if (header.type === "directory") throw invalidEntry(path, "is a whiteout and a directory");
  if (name === OPAQUE) return whiteout("opaque", parent);
  const removed = name.slice(WHITEOUT.length) as BytePath;
  if (removed === "" || removed === "." || removed === ".." || removed.startsWith(WHITEOUT))
    throw invalidEntry(path, "is a whiteout of nothing that can exist");
  return whiteout("whiteout", joinPath(parent, removed));
}

function whiteout(kind: LayerEntryKind, path: BytePath): LayerEntry {
  return { kind, path, mode: 0, uid: 0, gid: 0, mtime: 0, size: 0, offset: 0 };
}

function hardlinkTarget(path: BytePath, linkName: BytePath): BytePath {
  const target = treePath(linkName, path);
  for (const component of checkedComponents(target)) if (component.startsWith(WHITEOUT)) throw invalidEntry(path, "is a hardlink to a whiteout");
  if (target === ROOT) throw invalidEntry(path, "is a hardlink to the root");
  return target;
}

function symlinkTarget(path: BytePath, linkName: BytePath): BytePath {
  // the kernel's PATH_MAX counts a NUL
  if (linkName.length > 4095) throw invalidEntry(path, `is a symlink with a target of ${linkName.length} bytes, more than 4095`);
  return linkName;
}

function checkTime(path: BytePath, mtime: number): number {
  const seconds = Math.floor(mtime);
  if (!(Math.abs(seconds) < MTIME_LIMIT)) throw invalidEntry(path, `has the modification time ${mtime}`);
  return seconds;
}

function checkXattrs(path: BytePath, xattrs: ReadonlyMap<string, Uint8Array>): ReadonlyMap<string, Uint8Array> {
  for (const [name, value] of xattrs) {
    if (value.length > XATTR_LIMIT) throw invalidEntry(path, `has an xattr ${JSON.stringify(name)} of ${value.length} bytes, more than ${XATTR_LIMIT}`);
    if (name.length > 255) throw invalidEntry(path, "has an xattr with a name of more than 255 bytes");
  }
  return xattrs;
}
