import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readTar } from "@varve/archive";
import type { ByteStream } from "@varve/bytes";

/** An entry of a root filesystem, as one line that can be compared. */
export interface ListedEntry {
  readonly owner: string;
  /** Everything else, but for the time. */
  readonly what: string;
  /** Seconds since the epoch. */
  readonly mtime: number;
}

/** What a tar of a root filesystem holds, by path. */
export async function listTar(path: string): Promise<ReadonlyMap<string, ListedEntry>> {
  const listed = new Map<string, ListedEntry>();
  for await (const { header, content } of readTar(createReadStream(path, { highWaterMark: 1024 * 1024 }) as ByteStream)) {
    const digest = createHash("sha256");
    for await (const piece of content) digest.update(piece);
    const xattrs = [...header.xattrs].map(([name, value]) => `${name}=${Buffer.from(value).toString("hex")}`).toSorted();
    const { type, mode, size, linkName, uid, gid, mtime } = header;
    const what = [type, mode.toString(8), type === "file" ? `${size} ${digest.digest("hex").slice(0, 16)}` : "", linkName, ...xattrs].join(" ");
    listed.set(header.name.replace(/^\.?\//, "").replace(/\/$/, ""), { owner: `${uid}:${gid}`, what, mtime: Math.floor(mtime) });
  }
  return listed;
}
