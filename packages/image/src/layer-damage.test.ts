import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { encodeTarHeader, TAR_END, tarPadding } from "@varve/archive";
import { concatBytes, streamOf, toBytePath } from "@varve/bytes";
import { isVarveError } from "@varve/errors";
import { digestFromHex, MEDIA_TYPES, parseDiffID } from "@varve/oci";
import { openStore, type Store } from "@varve/store";
import { describeWithTools, PLAIN_TAR_HEADER } from "@varve/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ImageLayer } from "./image.ts";
import { layerIndex } from "./layer-index-store.ts";
import { storeLayerTar } from "./layer-writer.ts";

let directory: string;
let store: Store;
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "varve-damage-"));
  store = await openStore({ root: path.join(directory, "store") });
});
afterEach(async () => {
  await store[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

const hex = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const content = Buffer.from("laid down in autumn\n".repeat(400));
const header = { ...PLAIN_TAR_HEADER, name: toBytePath("f"), size: content.length, mtime: 1 };
const TAR = concatBytes([encodeTarHeader(header), content, tarPadding(content.length), TAR_END]);
const DIFF_ID = parseDiffID(`sha256:${hex(TAR)}`);
const half = TAR.length / 2;

/** A blob as a registry gives it: its digest is that of the bytes, sound or not; the diffID is what the image's config promised. */
function layerOf(mediaType: string, blob: Uint8Array): ImageLayer {
  return { descriptor: { mediaType, digest: digestFromHex(hex(blob)), size: blob.length }, diffID: DIFF_ID, open: async () => streamOf(blob) };
}

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "taken",
    (error: unknown) => (isVarveError(error) ? error.code : String(error)),
  );

const damages = (sound: Uint8Array): Readonly<Record<string, Uint8Array>> => ({
  "cut by a byte": sound.subarray(0, -1),
  "cut in the middle": sound.subarray(0, sound.length >> 1),
  "cut to its first bytes": sound.subarray(0, 5),
  "followed by a byte": concatBytes([sound, Uint8Array.of(1)]),
  "followed by a zero": concatBytes([sound, Uint8Array.of(0)]),
  "followed by text": concatBytes([sound, Buffer.from("garbage after the end")]),
  "with a bit turned": sound.map((byte, at) => (at === sound.length - 12 ? byte ^ 1 : byte)),
});

function describeDamage(name: string, mediaType: string, makeSound: () => Uint8Array): void {
  describe(name, () => {
    test("a sound one is taken", async () => {
      expect((await layerIndex(store, layerOf(mediaType, makeSound()))).entryCount).toBe(1);
    });
    for (const damage of Object.keys(damages(TAR))) {
      test(damage, async () => {
        const blob = damages(makeSound())[damage] ?? new Uint8Array(0);
        const expected = /^(?:ARCHIVE_MALFORMED_COMPRESSION|ARCHIVE_MALFORMED_TAR|ARCHIVE_UNSUPPORTED_TAR|IMAGE_LAYER_MISMATCH)$/;
        // pulled, and loaded from an archive
        expect(await codeOf(layerIndex(store, layerOf(mediaType, blob)))).toMatch(expected);
        expect(await codeOf(storeLayerTar(store, streamOf(blob), { diffID: DIFF_ID }))).toMatch(expected);
        // and says of which it is, by the name it is known by
        await expect(layerIndex(store, layerOf(mediaType, blob))).rejects.toThrow(`layer sha256:${hex(blob)}`);
        await expect(storeLayerTar(store, streamOf(blob), { diffID: DIFF_ID })).rejects.toThrow(DIFF_ID);
      });
    }
  });
}

describeDamage("an uncompressed layer", MEDIA_TYPES.ociLayer, () => TAR);
describeDamage("a gzip layer", MEDIA_TYPES.ociLayerGzip, () => new Uint8Array(gzipSync(TAR)));
describeDamage("a gzip layer of two members", MEDIA_TYPES.ociLayerGzip, () => concatBytes([gzipSync(TAR.subarray(0, half)), gzipSync(TAR.subarray(half))]));
describeWithTools(["zstd"], "zstd layers", () => {
  const zstd = (bytes: Uint8Array, ...args: string[]) => new Uint8Array(execFileSync("zstd", ["-q", "-c", ...args], { input: bytes }));
  describeDamage("one frame", MEDIA_TYPES.ociLayerZstd, () => zstd(TAR));
  describeDamage("two frames, without checksums", MEDIA_TYPES.ociLayerZstd, () =>
    concatBytes([zstd(TAR.subarray(0, half), "--no-check"), zstd(TAR.subarray(half), "--no-check")]),
  );
});

test("a gzip whose media type says zstd is read for what it is", async () => {
  expect((await layerIndex(store, layerOf(MEDIA_TYPES.ociLayerZstd, new Uint8Array(gzipSync(TAR))))).entryCount).toBe(1);
});
