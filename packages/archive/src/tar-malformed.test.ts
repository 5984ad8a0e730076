import { type BytePath, concatBytes, streamOf } from "@varve/bytes";
import type { ErrorCode } from "@varve/errors";
import { PLAIN_TAR_HEADER } from "@varve/testkit";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeTarHeader, readTar, TAR_END, type TarHeader } from "./index.ts";

const latin1 = (text: string) => Uint8Array.from(text, (c) => c.charCodeAt(0));

/** A header block with bytes put over it and its checksum made right again. */
function block(patches: Record<number, string>, header: Partial<TarHeader> = {}): Uint8Array {
  const bytes = encodeTarHeader({ ...PLAIN_TAR_HEADER, name: "file" as BytePath, ...header }).slice(0, 512);
  for (const [at, text] of Object.entries(patches)) bytes.set(latin1(text), Number(at));
  bytes.fill(0x20, 148, 156);
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  bytes.set(latin1(`${sum.toString(8).padStart(6, "0")}\0 `), 148);
  return bytes;
}

/** An extended header (x, g, L, K) with its content, padded. */
function extension(flag: string, content: string): Uint8Array {
  const padded = new Uint8Array(Math.ceil(content.length / 512) * 512);
  padded.set(latin1(content));
  return concatBytes([block({ 156: flag, 124: `${content.length.toString(8).padStart(11, "0")}\0` }), padded]);
}

const record = (key: string, value: string) => {
  for (let length = key.length + value.length + 3; ; length++) {
    const text = `${length} ${key}=${value}\n`;
    if (text.length === length) return text;
  }
};

async function read(...parts: Uint8Array[]): Promise<TarHeader[]> {
  const headers: TarHeader[] = [];
  for await (const { header, content } of readTar(streamOf(...parts))) {
    headers.push(header);
    for await (const _ of content);
  }
  return headers;
}

const MALFORMED: readonly (readonly [string, ErrorCode, readonly Uint8Array[]])[] = [
  ["a wrong checksum", "ARCHIVE_MALFORMED_TAR", [block({}).with(0, 0x67), TAR_END]],
  ["a header cut short", "ARCHIVE_MALFORMED_TAR", [block({}).subarray(0, 300)]],
  ["letters in a number", "ARCHIVE_MALFORMED_TAR", [block({ 124: "0000000000x\0" }), TAR_END]],
  ["an 8 in an octal number", "ARCHIVE_MALFORMED_TAR", [block({ 108: "0000008\0" }), TAR_END]],
  ["a minus sign in an octal number", "ARCHIVE_MALFORMED_TAR", [block({ 124: "-0000000012\0" }), TAR_END]],
  ["a negative size in base-256", "ARCHIVE_MALFORMED_TAR", [block({ 124: "\xff".repeat(12) }), TAR_END]],
  ["a size past 2^53 in base-256", "ARCHIVE_MALFORMED_TAR", [block({ 124: `\x80${"\x7f".repeat(11)}` }), TAR_END]],
  ["a uid past 32 bits", "ARCHIVE_MALFORMED_TAR", [block({ 108: "\x80\x00\x00\x01\x00\x00\x00\x00" }), TAR_END]],
  ["content cut short", "ARCHIVE_MALFORMED_TAR", [block({}, { size: 600 }), new Uint8Array(512)]],
  ["padding cut short", "ARCHIVE_MALFORMED_TAR", [block({}, { size: 5 }), new Uint8Array(5)]],
  ["one block of zeros, then an entry", "ARCHIVE_MALFORMED_TAR", [block({}), new Uint8Array(512), block({}), TAR_END]],
  ["an entry without a name", "ARCHIVE_MALFORMED_TAR", [block({ 0: "\0\0\0\0" }), TAR_END]],
  ["a symlink without a target", "ARCHIVE_MALFORMED_TAR", [block({ 156: "2" }), TAR_END]],
  ["a hardlink without a target", "ARCHIVE_MALFORMED_TAR", [block({ 156: "1" }), TAR_END]],
  ["a PAX header without an entry", "ARCHIVE_MALFORMED_TAR", [extension("x", record("path", "a")), TAR_END]],
  ["a GNU long name without an entry", "ARCHIVE_MALFORMED_TAR", [extension("L", "long\0")]],
  ["a PAX length that isn't one", "ARCHIVE_MALFORMED_TAR", [extension("x", "x path=a\n"), block({}), TAR_END]],
  ["a PAX length without a record", "ARCHIVE_MALFORMED_TAR", [extension("x", "12"), block({}), TAR_END]],
  ["a PAX length of zero", "ARCHIVE_MALFORMED_TAR", [extension("x", "0 path=a\n"), block({}), TAR_END]],
  ["a PAX length too long", "ARCHIVE_MALFORMED_TAR", [extension("x", "99 path=a\n"), block({}), TAR_END]],
  ["a PAX length too short", "ARCHIVE_MALFORMED_TAR", [extension("x", "5 path=a\n"), block({}), TAR_END]],
  ["a PAX length of many digits", "ARCHIVE_MALFORMED_TAR", [extension("x", "0000000000000000010 path=a\n"), block({}), TAR_END]],
  ["a PAX record without =", "ARCHIVE_MALFORMED_TAR", [extension("x", "8 patha\n"), block({}), TAR_END]],
  ["a PAX record without a key", "ARCHIVE_MALFORMED_TAR", [extension("x", "5 =a\n"), block({}), TAR_END]],
  ["a PAX record without its newline", "ARCHIVE_MALFORMED_TAR", [extension("x", "9 path=ab"), block({}), TAR_END]],
  ["a PAX path with a NUL", "ARCHIVE_MALFORMED_TAR", [extension("x", record("path", "a\0b")), block({}), TAR_END]],
  ["a PAX linkpath with a NUL", "ARCHIVE_MALFORMED_TAR", [extension("x", record("linkpath", "a\0b")), block({ 156: "2", 157: "t" }), TAR_END]],
  ["a PAX size that is no number", "ARCHIVE_MALFORMED_TAR", [extension("x", record("size", "1e3")), block({}), TAR_END]],
  ["a negative PAX size", "ARCHIVE_MALFORMED_TAR", [extension("x", record("size", "-1")), block({}), TAR_END]],
  ["a PAX size past 2^53", "ARCHIVE_MALFORMED_TAR", [extension("x", record("size", "9007199254740993")), block({}), TAR_END]],
  ["a PAX uid that is no number", "ARCHIVE_MALFORMED_TAR", [extension("x", record("uid", "root")), block({}), TAR_END]],
  ["a PAX mtime that is no time", "ARCHIVE_MALFORMED_TAR", [extension("x", record("mtime", "soon")), block({}), TAR_END]],
  ["a global path", "ARCHIVE_MALFORMED_TAR", [extension("g", record("path", "a")), block({}), TAR_END]],
  ["a global size", "ARCHIVE_MALFORMED_TAR", [extension("g", record("size", "512")), block({}), TAR_END]],
  ["a GNU long name with something after its NUL", "ARCHIVE_MALFORMED_TAR", [extension("L", "long\0name"), block({}), TAR_END]],
  ["an empty GNU long name", "ARCHIVE_MALFORMED_TAR", [extension("L", "\0"), block({}), TAR_END]],
  ["an old GNU sparse file", "ARCHIVE_UNSUPPORTED_TAR", [block({ 156: "S" }), TAR_END]],
  ["a PAX sparse file", "ARCHIVE_UNSUPPORTED_TAR", [extension("x", record("GNU.sparse.major", "1")), block({}), TAR_END]],
  ["star's sparse file", "ARCHIVE_UNSUPPORTED_TAR", [extension("x", record("SCHILY.realsize", "1")), block({}), TAR_END]],
  ["a multi-volume part", "ARCHIVE_UNSUPPORTED_TAR", [block({ 156: "M" }), TAR_END]],
  ["a volume label", "ARCHIVE_UNSUPPORTED_TAR", [block({ 156: "V" }), TAR_END]],
  ["an unknown type", "ARCHIVE_UNSUPPORTED_TAR", [block({ 156: "Z" }), TAR_END]],
  ["a PAX header past 1 MiB", "ARCHIVE_TAR_LIMIT", [block({ 156: "x", 124: "00004000001\0" }), TAR_END]],
  ["a GNU long name past 1 MiB", "ARCHIVE_TAR_LIMIT", [block({ 156: "L", 124: "00004000001\0" }), TAR_END]],
];

describe("refused", () => {
  test.each(MALFORMED)("%s", async (_, code, parts) => {
    await expect(read(...parts)).rejects.toThrow(expect.objectContaining({ code }));
  });

  test("nothing but a header, an entry or a typed error comes of any bytes", async () => {
    const sound = concatBytes([
      extension("x", record("path", "a") + record("mtime", "1.5")),
      block({}, { size: 600 }),
      new Uint8Array(1024),
      block({ 156: "2", 157: "t" }),
      TAR_END,
    ]);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(sound.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }),
        fc.nat(sound.length),
        async (flips, length) => {
          const bytes = sound.slice(0, length);
          for (const [at, value] of flips) if (at < length) bytes[at] = value;
          try {
            await read(bytes);
          } catch (error) {
            expect((error as { code?: string }).code).toMatch(/^ARCHIVE_/);
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe("accepted, as other readers do", () => {
  const names = async (...parts: Uint8Array[]) => (await read(...parts)).map(({ name }) => name);

  test("no end marker, and half of one", async () => {
    expect(await names(block({}))).toEqual(["file"]);
    expect(await names(block({}), new Uint8Array(512))).toEqual(["file"]);
    expect(await names()).toEqual([]);
  });

  test("anything after the end marker is read but not looked at", async () => {
    let drained = false;
    async function* source() {
      yield block({});
      yield TAR_END;
      yield block({ 0: "evil" });
      drained = true;
    }
    const found: string[] = [];
    for await (const { header } of readTar(source())) found.push(header.name);
    expect(found).toEqual(["file"]);
    expect(drained).toBe(true);
  });

  test("a PAX record of exactly 1 MiB", async () => {
    const value = "c".repeat(1024 * 1024 - "1048576 comment=\n".length);
    expect(await names(extension("x", record("comment", value)), block({}), TAR_END)).toEqual(["file"]);
  });

  test("a checksum by signed bytes", async () => {
    const bytes = block({ 0: "\xe9\xe8" });
    const signed = bytes.reduce((total, byte, i) => total + (i >= 148 && i < 156 ? 0x20 : byte > 127 ? byte - 256 : byte), 0);
    bytes.set(latin1(`${signed.toString(8).padStart(6, "0")}\0 `), 148);
    expect(await names(bytes)).toEqual(["\xe9\xe8le"]);
  });

  test("numbers led by spaces and ended by a space; an empty number is zero", async () => {
    const [header] = await read(block({ 100: "   644 \0", 108: "\0\0\0\0\0\0\0\0", 124: "          0 " }));
    expect(header).toMatchObject({ mode: 0o644, uid: 0, size: 0 });
  });

  test("a negative time in base-256", async () => {
    const [header] = await read(block({ 136: `${"\xff".repeat(11)}\xfe` }));
    expect(header?.mtime).toBe(-2);
  });

  test("links, directories and devices have no content, whatever their size says", async () => {
    for (const flag of ["1", "2", "3", "4", "5", "6"]) {
      expect(await names(block({ 156: flag, 157: "t", 124: "00000001000\0" }), block({ 0: "next" }), TAR_END)).toEqual(["file", "next"]);
    }
  });

  test("a PAX size wins over the header's, also when it is smaller", async () => {
    const found = await read(extension("x", record("size", "3")), block({ 124: "00000002000\0" }), new Uint8Array(512), block({ 0: "next" }), TAR_END);
    expect(found.map(({ name, size }) => [name, size])).toEqual([
      ["file", 3],
      ["next", 0],
    ]);
  });

  test("v7 directories end with a slash; v7 headers have no prefix", async () => {
    const v7 = { 257: "\0".repeat(8), 345: "prefix" };
    const [directory, file] = await read(block({ ...v7, 0: "d/\0\0", 156: "\0" }), block({ ...v7, 156: "\0" }));
    expect([directory?.type, directory?.name, file?.type, file?.name]).toEqual(["directory", "d/", "file", "file"]);
  });

  test("ustar has a prefix, GNU has not, star has a shorter one", async () => {
    expect(await names(block({ 345: "dir/sub" }))).toEqual(["dir/sub/file"]);
    expect(await names(block({ 257: "ustar  \0", 345: "00000000000\0" }))).toEqual(["file"]);
    expect(await names(block({ 345: `${"p".repeat(131)}12345670123\x0012345670123\0`, 508: "tar\0" }))).toEqual([`${"p".repeat(131)}/file`]);
  });

  test("GNU long names and links, then the next entry has its own", async () => {
    const long = "n".repeat(300);
    const found = await read(extension("K", `${long}-target\0`), extension("L", `${long}\0`), block({ 156: "2", 157: "short" }), block({ 0: "next" }), TAR_END);
    expect(found.map(({ name, linkName }) => [name, linkName])).toEqual([
      [long, `${long}-target`],
      ["next", ""],
    ]);
  });

  test("global records hold until they are taken back, local ones for one entry; local wins", async () => {
    const found = await read(
      extension("g", record("uid", "7") + record("SCHILY.xattr.user.g", "1")),
      block({}),
      extension("x", record("uid", "8")),
      block({}),
      extension("x", record("uid", "")),
      block({}, { uid: 3 }),
      extension("g", record("uid", "") + record("SCHILY.xattr.user.g", "")),
      block({}, { uid: 4 }),
      TAR_END,
    );
    expect(found.map(({ uid }) => uid)).toEqual([7, 8, 3, 4]);
  });

  test("xattrs are bytes", async () => {
    const value = String.fromCharCode(...Array.from({ length: 256 }, (_, i) => i));
    const [header] = await read(extension("x", record("SCHILY.xattr.security.capability", value)), block({}));
    expect(header?.xattrs.get("security.capability")).toEqual(latin1(value));
  });

  test("hostile keys are only keys", async () => {
    const [header] = await read(extension("x", record("SCHILY.xattr.__proto__", "1") + record("__proto__", "2")), block({}));
    expect([...(header?.xattrs ?? [])]).toEqual([["__proto__", Uint8Array.of(0x31)]]);
  });
});
