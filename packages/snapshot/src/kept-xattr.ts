import type { Entry } from "@varve/layer";

/**
 * Extended attributes that a root filesystem on disk carries: capabilities of programs and what users set. Others are the host's
 * (labels, access lists), or overlayfs's own, which an image must not be able to write: they would redirect its lookups. The kernel takes
 * users' attributes on files and directories only.
 */
export function isKeptXattr(name: string, type: Entry["type"]): boolean {
  if (type === "file" && name === "security.capability") return true;
  return (type === "file" || type === "directory") && name.startsWith("user.") && !name.startsWith("user.overlay.");
}
