import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { constants, deflateRawSync, gzipSync } from "node:zlib";
import { type ByteStream, collectBytes, concatBytes, streamOf } from "@varve/bytes";
import { describeWithTools } from "@varve/testkit";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { corrupt } from "./compression-error.ts";
import { compressPiece, createCodec, createSha256, createSizedSha256, decompress, sha256Hex, sniffCompression } from "./index.ts";
import * as node from "./platform/node.ts";
import * as portable from "./platform/portable.ts";
import { readZstdFrames } from "./zstd-frame.ts";
import { decodeZstdPortably } from "./zstd-portable.ts";

const gzipMember = (bytes: Uint8Array, level: number) => compressPiece(createCodec("gzip", { level }), bytes);
const collect = (stream: ByteStream) => collectBytes(stream, 1e9, () => new Error("limit"));
const text = new TextEncoder().encode("varve ".repeat(50_000));
const noise = randomBytes(300_000);

async function* cut(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** One frame with raw blocks and one with an RLE block, a checksum nobody checks here, and a skippable frame between: no tool needed. */
const ZSTD = Uint8Array.of(
  0x28,
  0xb5,
  0x2f,
  0xfd,
  0x00,
  0x58,
  0x18,
  0x00,
  0x00,
  0x61,
  0x62,
  0x63,
  0x23,
  0x00,
  0x00,
  0x64,
  0x50,
  0x2a,
  0x4d,
  0x18,
  3,
  0,
  0,
  0,
  1,
  2,
  3,
  0x28,
  0xb5,
  0x2f,
  0xfd,
  0x00,
  0x58,
  0x01,
  0x00,
  0x00,
);

test("compressions are told by their first bytes", () => {
  const table = { gzip: "1f8b08000000", zstd: "28b52ffd0458", bzip2: "425a68393141", xz: "fd377a585a00", none: "7573746172" };
  for (const [compression, hex] of Object.entries(table)) expect(sniffCompression(Buffer.from(hex, "hex"))).toBe(compression);
  expect(sniffCompression(Uint8Array.of(0x5f, 0x2a, 0x4d, 0x18))).toBe("zstd");
  expect(sniffCompression(new Uint8Array(0))).toBe("none");
  // a tar whose first file is named like a gzip
  const tar = new Uint8Array(512);
  tar.set([0x1f, 0x8b, 0x08], 0);
  expect(sniffCompression(tar)).toBe("gzip");
  tar.set(Buffer.from("ustar"), 257);
  expect(sniffCompression(tar)).toBe("none");
});

describe.each([
  ["node", node],
  ["portable", portable],
] as const)("gzip, %s", (_name, platform) => {
  test("any bytes at any level, as any number of members, in pieces of any size", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 3000 }), { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 0, max: 9 }),
        fc.integer({ min: 1, max: 4000 }),
        async (parts, level, size) => {
          const members = await Promise.all(parts.map((part) => platform.compressGzip(part, level)));
          expect(Buffer.from(await collect(platform.inflateGzip(cut(concatBytes(members), size)))).equals(concatBytes(parts))).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });

  test("much data in large pieces", async () => {
    const bytes = concatBytes([text, noise, new Uint8Array(3_000_000)]);
    expect(sha256Hex(await collect(platform.inflateGzip(streamOf(gzipSync(bytes)))))).toBe(sha256Hex(bytes));
  });

  test("cut short at any byte", async () => {
    const sound = concatBytes([gzipSync(text.subarray(0, 500)), gzipSync(noise.subarray(0, 40))]);
    const whole = gzipSync(text.subarray(0, 500)).length;
    for (let length = 0; length < sound.length; length++) {
      if (length === whole) continue;
      await expect(collect(platform.inflateGzip(cut(sound.subarray(0, length), 16))), `${length} bytes`).rejects.toThrow(
        expect.objectContaining({ code: "ARCHIVE_MALFORMED_COMPRESSION" }),
      );
    }
  });

  test.each([[[0]], [[0, 0, 0, 0]], [[1]], [[0x1f]], [[0x1f, 0x8b]], [[...Buffer.from("garbage after the end")]], [Array<number>(600).fill(0)]])(
    "followed by %j",
    async (garbage) => {
      for (const size of [1, 7, 100_000]) {
        const bytes = concatBytes([gzipSync("hello"), Uint8Array.from(garbage)]);
        await expect(collect(platform.inflateGzip(cut(bytes, size)))).rejects.toThrow(expect.objectContaining({ code: "ARCHIVE_MALFORMED_COMPRESSION" }));
      }
    },
  );

  test("a wrong checksum, a wrong length", async () => {
    for (const at of [-8, -4]) {
      const bytes = gzipSync(text);
      bytes[bytes.length + at] = (bytes[bytes.length + at] ?? 0) ^ 1;
      await expect(collect(platform.inflateGzip(streamOf(bytes)))).rejects.toThrow(expect.objectContaining({ code: "ARCHIVE_MALFORMED_COMPRESSION" }));
    }
  });

  test("a header with every optional field", async () => {
    // RFC 1952, 2.3.1: FEXTRA, FNAME, FCOMMENT
    const header = [0x1f, 0x8b, 8, 4 | 8 | 16, 1, 2, 3, 4, 0, 3, 3, 0, 9, 9, 9, ...Buffer.from("name\0comment\0")];
    const trailer = gzipSync("hello").subarray(-8);
    expect(
      Buffer.from(await collect(platform.inflateGzip(streamOf(concatBytes([Uint8Array.from(header), deflateRawSync("hello"), trailer]))))).toString(),
    ).toBe("hello");
  });

  test("what the source throws is what the reader throws, and a reader that leaves frees the source", async () => {
    let freed = 0;
    async function* source(fail: boolean) {
      try {
        yield gzipSync(noise).subarray(0, 100_000);
        if (fail) throw new TypeError("the network is gone");
        yield gzipSync(noise).subarray(100_000);
      } finally {
        freed++;
      }
    }
    await expect(collect(platform.inflateGzip(source(true)))).rejects.toThrow("the network is gone");
    for await (const _ of platform.inflateGzip(source(false))) break;
    expect(freed).toBe(2);
  });

  test("sha256", () => {
    const hash = platform.startSha256();
    hash.update(Buffer.from("ab"));
    hash.update(Buffer.from("c"));
    expect(platform.sha256OfBytes(Buffer.from("abc"))).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    expect(hash.hex()).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  });

  test("raw zstd frames", async () => {
    expect(Buffer.from(await collect(platform.decodeZstd(readZstdFrames(cut(ZSTD, 3), 1 << 27)))).toString()).toBe("abcdddd");
  });
});

describe("decompress", () => {
  test("nothing, something uncompressed, and gzip in single bytes", async () => {
    expect(await collect(decompress(streamOf()))).toEqual(new Uint8Array(0));
    expect(Buffer.from(await collect(decompress(cut(Buffer.from("plain text"), 2)))).toString()).toBe("plain text");
    expect(Buffer.from(await collect(decompress(cut(gzipSync("hello"), 1)))).toString()).toBe("hello");
    expect(Buffer.from(await collect(decompress(cut(ZSTD, 1)))).toString()).toBe("abcdddd");
  });

  test("what it is told it doesn't look for", async () => {
    const member = gzipSync("hello");
    expect(Buffer.from(await collect(decompress(streamOf(member), "none")))).toEqual(member);
    await expect(collect(decompress(streamOf(Buffer.from("hello")), "gzip"))).rejects.toThrow(
      expect.objectContaining({ code: "ARCHIVE_MALFORMED_COMPRESSION" }),
    );
  });

  test.each([
    ["bzip2", "425a68393141"],
    ["xz", "fd377a585a00"],
  ])("%s is named", async (name, hex) => {
    await expect(collect(decompress(streamOf(Buffer.from(hex, "hex"))))).rejects.toThrow(
      expect.objectContaining({ code: "ARCHIVE_UNSUPPORTED_COMPRESSION", message: expect.stringContaining(name) as string }),
    );
  });

  test("a reader that leaves frees the source", async () => {
    let freed = 0;
    async function* source(bytes: Uint8Array) {
      try {
        for (;;) yield bytes;
      } finally {
        freed++;
      }
    }
    for (const bytes of [noise, gzipSync(noise), concatBytes([ZSTD, ZSTD])]) for await (const _ of decompress(source(bytes))) break;
    expect(freed).toBe(3);
  });

  test("an error of the source stays what it is", () => {
    const cause = corrupt("gzip");
    expect(corrupt("zstd", cause)).toBe(cause);
  });
});

describe("a gzip member", () => {
  test("no time, no system, whatever made it", async () => {
    for (const level of [1, 6, 9]) {
      // the byte before the last tells whether the level was the fastest or the best (RFC 1952, XFL)
      expect(Buffer.from((await gzipMember(text, level)).subarray(0, 10)).toString("hex")).toBe(
        `1f8b080000000000${level === 1 ? "04" : level === 9 ? "02" : "00"}ff`,
      );
    }
  });

  test("equal bytes, equal members; streaming hash equals the one at once", async () => {
    expect(await gzipMember(text, 6)).toEqual(await gzipMember(text.slice(), 6));
    const hash = createSha256();
    for await (const piece of cut(text, 999)) hash.update(piece);
    expect(hash.hex()).toBe(sha256Hex(text));
    for (const size of [100, text.length, 1_000_000]) {
      const sized = createSizedSha256(text.length);
      for await (const piece of cut(text, size)) sized.update(piece);
      expect(sized.hex()).toBe(sha256Hex(text));
    }
    expect(createSizedSha256(0).hex()).toBe(sha256Hex(new Uint8Array(0)));
  });
});

describe("zstd framing", () => {
  const refused = (bytes: Uint8Array, limit = 1 << 27) => expect(collect(decodeZstdPortably(readZstdFrames(cut(bytes, 5), limit)))).rejects;

  test("cut short at any byte", async () => {
    // 16 bytes of a frame, 11 of one that is skipped, 9 of the last
    for (let length = 0; length < ZSTD.length; length++) {
      if (length !== 16 && length !== 27) await refused(ZSTD.subarray(0, length)).toThrow(expect.objectContaining({ code: "ARCHIVE_MALFORMED_COMPRESSION" }));
    }
  });

  test.each([[[0]], [[0, 0, 0, 0]], [[0x28, 0xb5]], [[...Buffer.from("garbage")]]])("followed by %j", async (garbage) => {
    await refused(concatBytes([ZSTD, Uint8Array.from(garbage)])).toThrow(expect.objectContaining({ code: "ARCHIVE_MALFORMED_COMPRESSION" }));
  });

  test("a window at the limit and one past it", async () => {
    // descriptor byte: exponent 17 is 128 MiB; its mantissa adds an eighth
    const frame = (window: number) => Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x00, window, 0x01, 0x00, 0x00);
    expect((await collect(readBytes(frame(17 << 3)))).length).toBe(9);
    await expect(collect(readBytes(frame((17 << 3) | 1)))).rejects.toThrow(expect.objectContaining({ code: "ARCHIVE_UNSUPPORTED_COMPRESSION" }));
    const single = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0xe0, 1, 0, 0, 0, 1, 0, 0, 0, 0x01, 0x00, 0x00);
    await expect(collect(readBytes(single))).rejects.toThrow(expect.objectContaining({ code: "ARCHIVE_UNSUPPORTED_COMPRESSION" }));
  });

  test("a dictionary is named; reserved bits and block types are errors", async () => {
    await refused(Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x01, 0x58, 7, 0x01, 0, 0)).toThrow(/dictionary/);
    await refused(Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x08, 0x58, 0x01, 0, 0)).toThrow(expect.objectContaining({ code: "ARCHIVE_MALFORMED_COMPRESSION" }));
    await refused(Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58, 0x07, 0, 0)).toThrow(expect.objectContaining({ code: "ARCHIVE_MALFORMED_COMPRESSION" }));
  });

  async function* readBytes(bytes: Uint8Array) {
    for await (const part of readZstdFrames(streamOf(bytes), 128 * 1024 * 1024)) yield part.bytes;
  }
});

describeWithTools(["zstd"], "zstd's own output", () => {
  const zstd = (bytes: Uint8Array, ...args: string[]) => execFileSync("zstd", ["-q", "-c", ...args], { input: bytes, maxBuffer: 1e9 });
  const bytes = concatBytes([text, noise, new Uint8Array(2_000_000), text, noise]);

  test.each([["-1"], ["-3"], ["-19"], ["--no-check"], ["--long=24"], ["--single-thread"]])("%s", async (...args) => {
    const packed = zstd(bytes, ...args);
    for (const decode of [decodeZstdPortably, node.decodeZstd])
      expect(sha256Hex(await collect(decode(readZstdFrames(cut(packed, 10_000), 1 << 25))))).toBe(sha256Hex(bytes));
  });

  test("several frames, empty ones among them", async () => {
    const packed = concatBytes([zstd(text), zstd(new Uint8Array(0)), zstd(noise), zstd(Buffer.from("end"))]);
    expect(sha256Hex(await collect(decompress(cut(packed, 777))))).toBe(sha256Hex(concatBytes([text, noise, Buffer.from("end")])));
  });

  test("damaged blocks are errors", async () => {
    const packed = zstd(Buffer.from(noise.subarray(0, 3000).toString("hex")), "--no-check");
    // the tree that the literals are coded with
    packed.fill(0xff, 12, 40);
    await expect(collect(decompress(streamOf(packed)))).rejects.toThrow(expect.objectContaining({ code: "ARCHIVE_MALFORMED_COMPRESSION" }));
  });
});

test("levels keep meaning what zlib means by them", async () => {
  expect((await gzipMember(text, 0)).length).toBeGreaterThan(text.length);
  expect((await gzipMember(noise, constants.Z_BEST_COMPRESSION)).length).toBeGreaterThan(noise.length);
});
