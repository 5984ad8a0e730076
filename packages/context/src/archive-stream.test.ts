import { execFileSync } from "node:child_process";
import { collectBytes, streamOf } from "@varve/bytes";
import { describeWithTools } from "@varve/testkit";
import { describe, expect, test } from "vitest";
import { decompressArchive } from "./archive-stream.ts";

const TEXT = Buffer.from("some text, repeated\n".repeat(50_000));

async function inflate(bytes: Uint8Array, piece = 10_000): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += piece) pieces.push(bytes.subarray(at, at + piece));
  return collectBytes(decompressArchive(streamOf(...pieces)), 1e9, () => new Error("too long"));
}

for (const tool of ["gzip", "bzip2", "xz"]) {
  describeWithTools([tool], tool, () => {
    test.each([1, 7, 1_000_000])("in pieces of %i bytes", async (piece) => {
      const compressed = execFileSync(tool, ["-c"], { input: TEXT, maxBuffer: 1e8 });
      expect(Buffer.compare(await inflate(compressed, piece), TEXT)).toBe(0);
    });

    test("two one after the other", async () => {
      const compressed = execFileSync(tool, ["-c"], { input: TEXT, maxBuffer: 1e8 });
      expect((await inflate(Buffer.concat([compressed, compressed]))).length).toBe(2 * TEXT.length);
    });

    test("cut short or damaged is ARCHIVE_MALFORMED_COMPRESSION", async () => {
      const compressed = execFileSync(tool, ["-c"], { input: TEXT, maxBuffer: 1e8 });
      await expect(inflate(compressed.subarray(0, compressed.length - 9))).rejects.toMatchObject({ code: "ARCHIVE_MALFORMED_COMPRESSION" });
      const damaged = Buffer.from(compressed);
      damaged[Math.floor(damaged.length / 2)] = (damaged[Math.floor(damaged.length / 2)] ?? 0) ^ 0xff;
      await expect(inflate(damaged)).rejects.toMatchObject({ code: "ARCHIVE_MALFORMED_COMPRESSION" });
    });
  });
}

describe("no compression", () => {
  test.each([0, 1, 5, 6, 1000])("of %i bytes passes unchanged", async (size) => {
    expect(Buffer.compare(await inflate(TEXT.subarray(0, size)), TEXT.subarray(0, size))).toBe(0);
  });
});
