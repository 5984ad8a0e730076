import type { BytePath } from "@varve/bytes";
import type { ContentReader, ContentRef, FileTree } from "@varve/layer";
import type { Digest, IOOptions } from "@varve/oci";

/** A reader that knows which references are its own, so that trees of several sources can be combined. */
export interface OwningReader extends ContentReader {
  owns(ref: ContentRef): boolean;
}

/** A build context. Listed at most once, when `tree` is first asked for. */
export interface BuildContext extends AsyncDisposable {
  /** For people: a path, a URL, `-`. */
  readonly title: string;
  /** All files but the ignored ones; owners 0:0, those of a tar as it has them; modes and whole-second mtimes as found. */
  tree(options?: IOOptions): Promise<FileTree>;
  readonly reader: OwningReader;
  /** Absent where finding out whether something changed would cost as much as finding out what. */
  readonly memory?: ContextMemory;
  /**
   * After CONTEXT_CHANGED: takes the file the error is about (or is caused by) as it is now, if it is there, for good. `true` when that is done:
   * then `tree` gives another tree, and what failed can be tried again with it. Absent where nothing changes.
   */
  settle?(error: unknown, options?: IOOptions): Promise<boolean>;
  /** A file by path, ignore rules not applied (Dockerfile, ignore files); `undefined` when it isn't there. At most 4 MiB. */
  readFile(path: BytePath, options?: IOOptions): Promise<Uint8Array | undefined>;
}

/**
 * Digests of parts of a context, kept between builds and given back while nothing in it has changed. `selection` names the part
 * and how its digest is made. Digests of what changed just now are not kept.
 */
export interface ContextMemory {
  recall(selection: string, options?: IOOptions): Promise<Digest | undefined>;
  remember(selection: string, digest: Digest, options?: IOOptions): Promise<void>;
}

/** Largest Dockerfile or ignore file, in bytes. */
export const TEXT_LIMIT: number = 4 * 1024 * 1024;
