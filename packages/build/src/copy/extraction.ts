import { type BytePath, cleanPath, displayPath, joinPath, parentPath, pathComponents, ROOT } from "@varve/bytes";
import type { ArchiveEntry } from "@varve/context";
import { VarveError } from "@varve/errors";
import { type Entry, type NewEntry, sameEntry } from "@varve/layer";
import type { Destination } from "./destination.ts";
import { type LinkNumbers, madeDirectory, type PlacementOptions } from "./placement.ts";

const ROOT_USER = { uid: 0, gid: 0 };

/**
 * Extracts an archive into the destination directory (fact 30): owners and modes as the archive has them (`--chown` applies, `--chmod` does
 * not), a hardlink's own header counts for the file it names, its `.` entry is not applied, a directory merges with one that is there,
 * anything else replaces what is there. Symlinks met on the way are followed with the destination as their root. Throws
 * CONTEXT_INVALID_ARCHIVE for names with `..`.
 */
export async function extractArchive(
  destination: Destination,
  archive: AsyncIterable<ArchiveEntry>,
  options: PlacementOptions,
  { mtime, links }: { readonly mtime: number; readonly links: LinkNumbers },
): Promise<void> {
  const top = destination.resolve(cleanPath(options.destination));
  const linked = new Map<number, LinkedFile>();
  destination.makeDirectories(top, madeDirectory({ ...options, mode: undefined }, mtime));
  for await (const item of archive) {
    const name = entryName(item.header.name);
    if (name === ROOT) continue;
    const parent = resolveBelow(destination, top, parentPath(name));
    destination.makeDirectories(parent, { owner: ROOT_USER, mode: 0o755, mtime });
    const path = joinPath(parent, name.slice(name.lastIndexOf("/") + 1) as BytePath);
    const target = item.header.type === "hardlink" ? linkTarget(destination, top, item) : undefined;
    const there = destination.lookup(path);
    if (there !== undefined && path !== target && !(there.type === "directory" && item.header.type === "directory")) destination.remove(path);
    if (target === undefined) destination.put(toEntry(item, path, options));
    else if (target !== path) {
      destination.link(path, target);
      const { node } = entryAt(destination, target);
      const known = linked.get(node);
      if (known === undefined) linked.set(node, { names: [target, path], header: metadataOf(item, options) });
      else {
        known.names.push(path);
        known.header = metadataOf(item, options);
      }
    }
  }
  applyLinkHeaders(destination, linked, links);
}

type Metadata = Pick<NewEntry, "mode" | "uid" | "gid" | "mtime">;

/** What the archive linked to one file: its names, and what the last of their headers says. */
interface LinkedFile {
  readonly names: BytePath[];
  header: Metadata;
}

/** As on a disk, where owner, mode and time of a link's own header are set on the file, and so for all its names; done once, at the end. */
function applyLinkHeaders(destination: Destination, linked: ReadonlyMap<number, LinkedFile>, links: LinkNumbers): void {
  for (const [node, { names, header }] of linked) {
    const there = names.flatMap((name) => destination.lookup(name) ?? []).filter((entry) => entry.node === node);
    const [file] = there;
    if (file === undefined) continue;
    const wanted = { ...file, ...header, mode: file.type === "symlink" ? file.mode : header.mode };
    if (sameEntry(file, wanted)) continue;
    const number = links.next++;
    for (const { path } of there) destination.put({ ...wanted, path, node: number });
  }
}

function entryAt(destination: Destination, path: BytePath): Entry {
  const entry = destination.lookup(path);
  if (entry === undefined) throw new TypeError(`${path} was put and is not there`);
  return entry;
}

/** `a/../b` is `b`; what leads out of the archive is refused. */
function entryName(name: BytePath): BytePath {
  let depth = 0;
  for (const component of pathComponents(name)) {
    if (component === ".") continue;
    depth += component === ".." ? -1 : 1;
    if (depth < 0) throw new VarveError("CONTEXT_INVALID_ARCHIVE", `archive entry ${JSON.stringify(displayPath(name))} leaves the archive`);
  }
  return cleanPath(name);
}

/** Symlinks in an archive see the destination as `/`, as in a chroot. */
function resolveBelow(destination: Destination, top: BytePath, relative: BytePath, hops = 0): BytePath {
  let at = top;
  const components = pathComponents(relative);
  for (const [index, name] of components.entries()) {
    const next = joinPath(at, name);
    const entry = destination.lookup(next);
    if (entry?.type !== "symlink") {
      at = next;
      continue;
    }
    if (hops >= 40) throw new VarveError("LAYER_TOO_MANY_LINKS", `archive entry ${displayPath(relative)} goes through more than 40 symlinks`);
    const target = entry.linkTarget ?? ROOT;
    const before = target.startsWith("/") ? "" : at.slice(top.length);
    const rest = components.slice(index + 1).join("/");
    return resolveBelow(destination, top, cleanPath(`${before}/${target}/${rest}`), hops + 1);
  }
  return at;
}

function metadataOf({ header }: ArchiveEntry, { owner }: PlacementOptions): Metadata {
  return { mode: header.mode & 0o7777, uid: owner?.uid ?? header.uid, gid: owner?.gid ?? header.gid, mtime: Math.floor(header.mtime) };
}

function toEntry(item: ArchiveEntry, path: BytePath, options: PlacementOptions): NewEntry {
  const { header } = item;
  const base = {
    path,
    ...metadataOf(item, options),
    size: 0,
    ...(header.xattrs.size === 0 ? {} : { xattrs: header.xattrs }),
  };
  switch (header.type) {
    case "file":
      if (item.content === undefined) throw new TypeError("a file of an archive has content");
      return { ...base, type: "file", size: header.size, content: item.content };
    case "symlink":
      return { ...base, type: "symlink", mode: 0o777, linkTarget: header.linkName };
    case "char":
    case "block":
      return { ...base, type: header.type, device: { major: header.deviceMajor, minor: header.deviceMinor } };
    case "directory":
    case "fifo":
      return { ...base, type: header.type };
    case "hardlink":
      throw new TypeError("a hardlink has no entry of its own");
  }
}

function linkTarget(destination: Destination, top: BytePath, item: ArchiveEntry): BytePath {
  const name = entryName(item.header.linkName);
  const target = joinPath(resolveBelow(destination, top, parentPath(name)), name.slice(name.lastIndexOf("/") + 1) as BytePath);
  const there = destination.lookup(target);
  if (there === undefined || there.type === "directory") {
    throw new VarveError(
      "CONTEXT_INVALID_ARCHIVE",
      `archive entry ${displayPath(item.header.name)} links to ${displayPath(item.header.linkName)}, which is not there`,
    );
  }
  return target;
}
