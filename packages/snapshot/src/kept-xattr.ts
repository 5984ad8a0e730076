/**
 * Extended attributes that a root filesystem on disk carries: capabilities of programs and what users set. Others are the host's
 * (labels, access lists), or overlayfs's own, which an image must not be able to write: they would redirect its lookups.
 */
export function isKeptXattr(name: string): boolean {
  return name === "security.capability" || (name.startsWith("user.") && !name.startsWith("user.overlay."));
}
