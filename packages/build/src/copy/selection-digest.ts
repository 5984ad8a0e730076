import { createHash, type Hash } from "node:crypto";
import { bytePathToBytes } from "@varve/bytes";
import type { ContentReader, Entry } from "@varve/layer";
import { type Digest, digestFromHex, type IOOptions } from "@varve/oci";
import type { Selected } from "./selection.ts";

/** What of an entry matters to the cache. */
export interface SelectionDigestOptions extends IOOptions {
  /** False with `--chown`: the source's owner has no effect. */
  readonly owner: boolean;
}

/**
 * Digest of all a COPY reads (fact 32): names, types, modes, owners, link targets, devices, extended attributes and contents; not mtimes.
 * A directory's own name has no effect, so it isn't in it; a file's has.
 */
export async function digestSelection(selected: readonly Selected[], reader: ContentReader, options: SelectionDigestOptions): Promise<Digest> {
  const hash = createHash("sha256");
  for (const one of selected) {
    field(hash, one.root.type === "directory" ? "directory" : "file");
    if (one.root.type !== "directory") field(hash, bytePathToBytes(one.name));
    /** Hardlinks of one selection, by the position of the first among its files. */
    const nodes = new Map<number, number>();
    let files = 0;
    for (const { relative, entry, partial } of one.entries()) {
      field(hash, bytePathToBytes(relative));
      // the top directory's metadata is not copied
      if (relative === "" && entry.type === "directory") continue;
      describeEntry(hash, entry, options.owner, partial);
      if (entry.type !== "file" || entry.content === undefined) continue;
      const group = nodes.get(entry.node) ?? files++;
      if (one.isLinked(entry.node)) nodes.set(entry.node, group);
      field(hash, String(group));
      field(hash, await reader.digest(entry.content, options));
    }
  }
  return digestFromHex(hash.digest("hex"));
}

function describeEntry(hash: Hash, entry: Entry, owner: boolean, partial: boolean): void {
  field(hash, `${entry.type} ${entry.mode.toString(8)} ${owner ? `${entry.uid}:${entry.gid}` : "-"} ${partial ? "partial" : ""}`);
  if (entry.linkTarget !== undefined) field(hash, bytePathToBytes(entry.linkTarget));
  if (entry.device !== undefined) field(hash, `${entry.device.major}:${entry.device.minor}`);
  if (entry.xattrs === undefined) return;
  for (const name of [...entry.xattrs.keys()].toSorted()) {
    field(hash, name);
    field(hash, entry.xattrs.get(name) ?? new Uint8Array());
  }
}

/** Length first, so that no two sequences of fields read alike. */
function field(hash: Hash, value: string | Uint8Array): void {
  const bytes = typeof value === "string" ? Buffer.from(value) : value;
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  hash.update(length).update(bytes);
}
