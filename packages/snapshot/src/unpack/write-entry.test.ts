import { type BytePath, concatBytes, streamOf } from "@varve/bytes";
import { describe, expect, it } from "vitest";
import { encodeWriteEntry, readWriteEntries, type WriteEntry } from "./write-entry.ts";

const FILE: WriteEntry = { path: "a" as BytePath, type: "file", mode: 0o644, uid: 0, gid: 0, mtime: 1, size: 5 };
const DIRECTORY: WriteEntry = { ...FILE, path: "d" as BytePath, type: "directory", size: 0 };
const WHOLE = concatBytes([encodeWriteEntry(FILE), Buffer.from("hello"), encodeWriteEntry(DIRECTORY), encodeWriteEntry(FILE), Buffer.from("again")]);

async function read(bytes: Uint8Array, size: number, skip = false): Promise<unknown[]> {
  const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
  const seen: unknown[] = [];
  for await (const { entry, content } of readWriteEntries(streamOf(...pieces))) {
    let text = "";
    if (!skip) for await (const piece of content()) text += Buffer.from(piece).toString();
    seen.push([entry, text]);
  }
  return seen;
}

describe("a stream of entries", () => {
  it.each([1, 3, 7, 1000])("is read as it was written, in pieces of %d", async (size) => {
    expect(await read(WHOLE, size)).toEqual([
      [FILE, "hello"],
      [DIRECTORY, ""],
      [FILE, "again"],
    ]);
  });

  it("goes on behind contents that nobody read", async () => {
    expect(await read(WHOLE, 4, true)).toHaveLength(3);
  });

  it.each([1, 3, 40, WHOLE.length - 1])("that ends after %d bytes is SNAPSHOT_APPLY_FAILED", async (length) => {
    await expect(read(WHOLE.subarray(0, length), 1000)).rejects.toMatchObject({ code: "SNAPSHOT_APPLY_FAILED" });
  });
});
