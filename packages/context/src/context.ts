import type { BytePath } from "@varve/bytes";
import type { ContentReader, ContentRef, Entry, FileTree } from "@varve/layer";
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
  /** Absent where it is not known how the context was listed. */
  readonly listings?: ListingMemory;
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
  /** As {@link recall}, but gives up where the context would have to be listed by us. */
  recallAtOnce(selection: string): Promise<Digest | undefined>;
  remember(selection: string, digest: Digest, options?: IOOptions): Promise<void>;
}

/** What a context was like when a layer was made of it, so that the next one need not be made from nothing. */
export interface ListingMemory {
  /** Of the directory that is listed: a host path in bytes, without a slash at its end. */
  readonly root: BytePath;
  /** What was kept under a name when all files have the names, types and modes that they had then; `undefined` otherwise. */
  recall(name: string, options?: IOOptions): Promise<KnownListing | undefined>;
  /**
   * Keeps how the context was listed. `describe` is given the row of each path, and how many rows there are; it gives what is to be told later, and the rows of
   * the files whose states count. Nothing is kept where it gives nothing, or where it isn't worth it.
   */
  keep(
    name: string,
    describe: (rowOf: (path: BytePath) => number | undefined, rows: number) => { readonly note: Uint8Array; readonly files: readonly number[] } | undefined,
  ): Promise<void>;
  /** Keeps nothing under a name any more. */
  forget(name: string): Promise<void>;
}

/** A context beside what it was like earlier. */
export interface KnownListing {
  readonly note: Uint8Array;
  /** Rows that are not as they were, or may not be; with the file or directory as it is now, unless more than content and times changed. */
  readonly changes: readonly { readonly row: number; readonly entry: Entry | undefined }[];
  /** Of the files that count, now: device, inode, size, mtime and ctime in nanoseconds. */
  readonly states: BigInt64Array<ArrayBuffer>;
  /** Keeps how the context is listed now, of which the same is to be told but for the note. */
  keep(note: Uint8Array): Promise<void>;
}

/** Largest Dockerfile or ignore file, in bytes. */
export const TEXT_LIMIT: number = 4 * 1024 * 1024;
