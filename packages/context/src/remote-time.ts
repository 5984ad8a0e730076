import type { IOOptions } from "@varve/oci";
import { openArchive } from "./archive-tree.ts";
import { parseContextRepository } from "./context-repository.ts";
import { gitTree } from "./git-tree.ts";
import { httpFile } from "./http-file.ts";

/** How a source is fetched. */
export interface RemoteTimeOptions extends IOOptions {
  /** What it must be: a commit, or a digest. */
  readonly checksum?: string | undefined;
  /** Where it is kept meanwhile. */
  readonly directory: string;
}

/**
 * When what a URL gives was made, in seconds since the epoch: a repository's commit, Last-Modified of a file, else the newest file of an archive;
 * `undefined` when nothing says. As BuildKit's `SOURCE_DATE_EPOCH=context`. Throws as `openContext` does for a URL.
 */
export async function remoteTime(url: string, options: RemoteTimeOptions): Promise<number | undefined> {
  const reference = parseContextRepository(url);
  if (reference !== undefined) {
    await using checkout = await gitTree(reference, options);
    return checkout.time;
  }
  await using file = await httpFile(url, options);
  if (file.entry.mtime !== 0) return Math.floor(file.entry.mtime);
  const { content } = file.entry;
  if (content === undefined) throw new TypeError("a downloaded file has content");
  await using archive = await openArchive(await file.reader.open(content, options), options);
  if (archive === undefined) return undefined;
  let newest: number | undefined;
  for await (const { header } of archive.entries) {
    if (header.type === "file") newest = Math.max(newest ?? header.mtime, header.mtime);
  }
  return newest === undefined ? undefined : Math.floor(newest);
}
