import type { BytePath } from "@varve/bytes";
import type { Digest } from "@varve/oci";
import type { EntryType } from "./entry.ts";

/** What an entry of a layer says: put this there, link it, or (image-spec layer.md, "Whiteouts") take away what lower layers have. */
export type LayerEntryKind = EntryType | "hardlink" | "whiteout" | "opaque";

/** One entry of a layer's tar, checked, as it stands: paths lead through symlinks of lower layers until they are merged. */
export interface LayerEntry {
  readonly kind: LayerEntryKind;
  /** A tree path. Of a whiteout the path it takes away, of an opaque whiteout the directory it empties. */
  readonly path: BytePath;
  /** 0o7777 bits. Whiteouts have zeros from here on. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Whole seconds since the epoch. */
  readonly mtime: number;
  /** Bytes; 0 for all but files. */
  readonly size: number;
  /** Where a file's content starts in the uncompressed tar. */
  readonly offset: number;
  /** sha256 of a file's content. */
  readonly digest?: Digest;
  /** Of a symlink the target verbatim; of a hardlink the target as a tree path. */
  readonly linkTarget?: BytePath;
  readonly device?: { readonly major: number; readonly minor: number };
  readonly xattrs?: ReadonlyMap<string, Uint8Array>;
}
