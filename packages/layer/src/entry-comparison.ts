import type { ContentRef } from "./content-ref.ts";
import type { Entry } from "./entry.ts";

/** Tells whether two contents are the same bytes; `undefined` leaves it to the references themselves. */
export type SameContent = (a: ContentRef, b: ContentRef) => boolean | undefined;

/** Whether two entries agree in all that a layer stores but content, path and hardlinks: type, mode, owner, mtime in whole seconds, size, link target, device, xattrs. */
export function sameMetadata(a: Omit<Entry, "path" | "node">, b: Omit<Entry, "path" | "node">): boolean {
  return (
    a.type === b.type &&
    a.mode === b.mode &&
    a.uid === b.uid &&
    a.gid === b.gid &&
    a.size === b.size &&
    Math.floor(a.mtime) === Math.floor(b.mtime) &&
    a.linkTarget === b.linkTarget &&
    a.device?.major === b.device?.major &&
    a.device?.minor === b.device?.minor &&
    sameXattrs(a.xattrs, b.xattrs)
  );
}

/** As {@link sameMetadata}, and the same content. Without `sameContent`, contents are the same when their digests or their places are. */
export function sameEntry(a: Entry, b: Entry, sameContent?: SameContent): boolean {
  if (!sameMetadata(a, b)) return false;
  if (a.content === undefined || b.content === undefined) return a.content === b.content || a.size === 0;
  return a.size === 0 || (sameContent?.(a.content, b.content) ?? sameReference(a.content, b.content));
}

/** Whether two references surely mean the same bytes, as far as can be told without reading. */
function sameReference(a: ContentRef, b: ContentRef): boolean {
  if (a.size !== b.size) return false;
  if ("digest" in a && "digest" in b && a.digest !== undefined && b.digest !== undefined) return a.digest === b.digest;
  switch (a.kind) {
    case "layer":
      return b.kind === "layer" && a.diffID === b.diffID && a.offset === b.offset;
    case "disk":
      return (
        b.kind === "disk" &&
        a.stat.device === b.stat.device &&
        a.stat.inode === b.stat.inode &&
        a.stat.mtimeNs === b.stat.mtimeNs &&
        a.stat.ctimeNs === b.stat.ctimeNs
      );
    case "bytes":
      return b.kind === "bytes" && sameBytes(a.bytes, b.bytes);
    case "snapshot":
      return b.kind === "snapshot" && a.snapshot === b.snapshot && a.path === b.path;
  }
}

function sameXattrs(a: Entry["xattrs"], b: Entry["xattrs"]): boolean {
  if ((a?.size ?? 0) !== (b?.size ?? 0)) return false;
  for (const [name, value] of a ?? []) {
    const other = b?.get(name);
    if (other === undefined || !sameBytes(value, other)) return false;
  }
  return true;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
