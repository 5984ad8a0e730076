import { readFileSync } from "node:fs";
import { versions } from "node:process";
import { collectBytes, concatBytes, streamOf } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import { expect, test } from "vitest";
import { codecTypeOf, compressPiece, createCodec, decompress, encodingFits, sha256Hex } from "./index.ts";
import { PORTABLE_GZIP } from "./gzip-portable.ts";

const text = new TextEncoder().encode("one year, one layer ".repeat(20_000));
const inflated = async (...pieces: Uint8Array[]) => Buffer.from(await collectBytes(decompress(streamOf(concatBytes(pieces))), 1e9, () => new Error("limit")));
const hasZstd = versions["zstd"] !== undefined;

function refusal(make: () => unknown): { readonly code: string; readonly message: string; readonly hint: string | undefined } {
  try {
    make();
  } catch (error) {
    if (error instanceof VarveError) return { code: error.code, message: error.message, hint: error.hint };
    throw error;
  }
  throw new Error("nothing was thrown");
}

test("an encoding names what the bytes depend on", () => {
  expect(createCodec("gzip").encoding).toBe(`gzip-6 zlib-${versions["zlib"]} ${process.arch}`);
  expect(createCodec("gzip", { level: 0 }).encoding).toMatch(/^gzip-0 zlib-/);
  expect(createCodec("gzip", { level: 9, portable: true }).encoding).toBe(`gzip-9 ${PORTABLE_GZIP}`);
  expect(createCodec("none").encoding).toBe("none");
});

test("an encoding tells its type, and which codecs it will do for", () => {
  expect(["gzip-6 zlib-1.3 x64", "zstd-3 zstd-1.5.7 arm64", "none", "lz4-1", ""].map(codecTypeOf)).toEqual(["gzip", "zstd", "none", undefined, undefined]);
  const usual = createCodec("gzip");
  const portable = createCodec("gzip", { portable: true });
  // another library's bytes differ, but are what was asked for
  expect(encodingFits("gzip-6 zlib-1.2.13 arm64", usual)).toBe(true);
  expect(encodingFits("gzip-9 zlib-1.2.13 arm64", usual)).toBe(false);
  expect(encodingFits(portable.encoding, usual)).toBe(false);
  expect(encodingFits(usual.encoding, portable)).toBe(false);
  expect(encodingFits(portable.encoding, portable)).toBe(true);
  expect(encodingFits("none", usual)).toBe(false);
});

test("the portable encoding names the version of fflate that is installed", () => {
  const manifest = JSON.parse(readFileSync(new URL("../node_modules/fflate/package.json", import.meta.url), "utf8")) as { version: string };
  expect(PORTABLE_GZIP).toBe(`fflate-${manifest.version}`);
});

test("portable members are the same bytes everywhere", async () => {
  const packed = await compressPiece(createCodec("gzip", { portable: true }), text);
  expect(sha256Hex(packed)).toBe("1ecf6c16b75e3d62f60ec41d9f7dd89db2723c52b6ba8806540151176bffc990");
  expect((await inflated(packed, packed)).equals(concatBytes([text, text]))).toBe(true);
});

test.each([
  ["gzip", -1, "gzip has no compression level -1"],
  ["gzip", 10, "gzip has no compression level 10"],
  ["gzip", 1.5, "gzip has no compression level 1.5"],
  ["zstd", 23, "zstd has no compression level 23"],
  ["none", 1, "uncompressed layers have no compression level, 1 was given"],
] as const)("%s at level %s", (type, level, message) => {
  expect(refusal(() => createCodec(type, { level }))).toMatchObject({ code: "ARCHIVE_INVALID_CODEC", message });
});

test("levels at the border", async () => {
  for (const level of [0, 9]) expect((await inflated(await compressPiece(createCodec("gzip", { level }), text))).equals(text)).toBe(true);
});

test("no compression", async () => {
  expect(await compressPiece(createCodec("none"), text)).toBe(text);
});

test("zstd has no portable form", () => {
  expect(refusal(() => createCodec("zstd", { portable: true }))).toMatchObject({ code: "ARCHIVE_INVALID_CODEC", hint: "use gzip, or leave portable out" });
});

test.skipIf(hasZstd)("zstd before Node 22.15 is refused, with what to do", () => {
  const { message, hint } = refusal(() => createCodec("zstd"));
  expect(message).toBe("zstd cannot be written here");
  expect(hint).toBe(`zstd came with Node 22.15, this is ${process.version}: use a newer Node, or gzip`);
});

test.runIf(hasZstd)("zstd frames stand alone and together, with checksums", async () => {
  for (const level of [0, 1, 22]) {
    const codec = createCodec("zstd", { level });
    expect(codec.encoding).toBe(`zstd-${level === 0 ? 3 : level} zstd-${versions["zstd"]}-sized ${process.arch}`);
    const frame = await compressPiece(codec, text);
    // RFC 8878, 3.1.1.1.1: the content checksum flag
    expect((frame[4] ?? 0) & 4).toBe(4);
    expect((await inflated(frame, frame)).equals(concatBytes([text, text]))).toBe(true);
  }
});
