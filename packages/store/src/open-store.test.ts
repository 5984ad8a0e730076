import { execFileSync } from "node:child_process";
import { chmod, mkdtemp, readdir, readFile, rm, stat, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { concatBytes, takeRoom } from "@varve/bytes";
import { canonicalJson, type Descriptor, digestHex, MEDIA_TYPES, parseDiffID } from "@varve/oci";
import { describeBlob, describeBlobStore, describeWithTools, inPieces } from "@varve/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openStore, type Store } from "./index.ts";

let folder: string;
let store: Store;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "varve-store-"));
  store = await openStore({ root: join(folder, "store") });
});
afterEach(async () => {
  await store[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const DIFF_ID = parseDiffID(`sha256:${"a".repeat(64)}`);

async function put(bytes: Uint8Array, mediaType?: string): Promise<Descriptor> {
  const blob = describeBlob(bytes, mediaType);
  await store.push(blob, async () => inPieces(bytes, 1 << 16));
  return blob;
}

function blobPath(blob: Descriptor): string {
  return join(store.root, "blobs", "sha256", digestHex(blob.digest));
}

async function drain(descriptor: Descriptor): Promise<void> {
  for await (const _ of await store.fetch(descriptor));
}

describe("a blob that is followed while it is written", () => {
  const bytes = Buffer.alloc(3_500_000, "varve");
  const readAll = async (stream: AsyncIterable<Uint8Array>): Promise<Buffer> => {
    const pieces: Uint8Array[] = [];
    for await (const piece of stream) pieces.push(piece);
    return Buffer.concat(pieces);
  };

  test("comes as it is written, and ends with it", async () => {
    const writer = await store.ingest();
    const stream = writer.follow();
    const late = writer.follow();
    await writer.write(bytes.subarray(0, 2_500_000));
    const iterator = stream[Symbol.asyncIterator]();
    const first = await iterator.next();
    expect(first.done).toBe(false);
    await writer.write(bytes.subarray(2_500_000));
    const { digest, size } = await writer.commit();
    const rest = await readAll({ [Symbol.asyncIterator]: () => iterator });
    expect(Buffer.concat([first.value as Uint8Array, rest]).equals(bytes)).toBe(true);
    // begun when the blob was in its place
    expect((await readAll(late)).equals(bytes)).toBe(true);
    expect({ digest, size }).toEqual({ digest: describeBlob(bytes).digest, size: bytes.length });
  });

  test("fails when the blob is given up, or was there before", async () => {
    const writer = await store.ingest();
    const given = readAll(writer.follow());
    given.catch(() => {});
    await writer.write(bytes);
    await writer.abort();
    await expect(given).rejects.toThrow("not written to its end");
    await put(bytes);
    const again = await store.ingest();
    const stream = readAll(again.follow());
    stream.catch(() => {});
    await again.write(bytes);
    await again.commit();
    await expect(stream).rejects.toThrow("not written to its end");
  });
});

test("bytes that are given away come between those that are copied as they were written, and their room is used again", async () => {
  const writer = await store.ingest();
  const written: Uint8Array[] = [];
  const buffers = new Set<ArrayBufferLike>();
  for (let i = 0; i < 120; i++) {
    const room = takeRoom(i % 3 === 0 ? 400_000 : i % 7 === 0 ? 3_000_000 : 70_000);
    room.fill(i);
    buffers.add(room.buffer);
    written.push(room.slice());
    if (i % 5 !== 0) await writer.take(room);
    else {
      await writer.write(room);
      // copied: it may change
      room.fill(255);
    }
  }
  const { digest, size } = await writer.commit();
  const bytes = concatBytes(written);
  expect({ digest, size }).toEqual({ digest: describeBlob(bytes).digest, size: bytes.length });
  await drain(describeBlob(bytes));
  expect(buffers.size).toBeLessThan(60);
});

test("a blob that is opened gives its parts, and says when its file is too short", async () => {
  const blob = await put(Buffer.from("0123456789"));
  await using open = await store.openBlob(blob);
  const part = Buffer.alloc(4);
  await open.readInto(part, 3);
  expect(part.toString()).toBe("3456");
  await expect(open.readInto(part, 8)).rejects.toMatchObject({ code: "STORE_DIGEST_MISMATCH" });
});

describeBlobStore("store on disk", async () => {
  const root = await mkdtemp(join(tmpdir(), "varve-store-"));
  const under = await openStore({ root });
  return {
    store: under,
    async dispose() {
      await under[Symbol.asyncDispose]();
      expect(await readdir(join(root, "ingest"))).toEqual([]);
      await rm(root, { recursive: true });
    },
  };
});

describe("layout", () => {
  test("is an image layout of version 1.0.0, for its owner only", async () => {
    expect(JSON.parse(await readFile(join(store.root, "oci-layout"), "utf8"))).toEqual({ imageLayoutVersion: "1.0.0" });
    expect(JSON.parse(await readFile(join(store.root, "index.json"), "utf8"))).toEqual({ schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests: [] });
    for (const name of ["", "blobs", "blobs/sha256", "ingest", "layers", "locks"]) expect((await stat(join(store.root, name))).mode & 0o777).toBe(0o700);
    expect((await stat(blobPath(await put(new Uint8Array(3))))).mode & 0o777).toBe(0o400);
  });

  test("a folder that was there keeps its mode", async () => {
    await chmod(folder, 0o755);
    await (await openStore({ root: folder }))[Symbol.asyncDispose]();
    expect((await stat(folder)).mode & 0o777).toBe(0o755);
  });

  test("another version, or no JSON, is refused", async () => {
    await writeFile(join(store.root, "oci-layout"), '{"imageLayoutVersion":"2.0.0"}');
    await expect(openStore({ root: store.root })).rejects.toMatchObject({ code: "STORE_UNSUPPORTED_LAYOUT" });
    await writeFile(join(store.root, "oci-layout"), "{");
    await expect(openStore({ root: store.root })).rejects.toMatchObject({ code: "STORE_CORRUPT_INDEX" });
  });

  test.skipIf(process.platform !== "linux")("a root that cannot be made is STORE_IO, also where recursive mkdir never ends", async () => {
    await expect(openStore({ root: "/proc/varve/store" })).rejects.toMatchObject({ code: "STORE_IO" });
  });

  test("a root that is a file is STORE_IO", async () => {
    await expect(openStore({ root: join(store.root, "index.json") })).rejects.toMatchObject({ code: "STORE_IO" });
  });

  test("an open store leaves nothing behind when it is closed", async () => {
    const writer = await store.ingest();
    await writer.write(new Uint8Array(10));
    expect(await readdir(join(store.root, "ingest"))).toHaveLength(2);
    await store[Symbol.asyncDispose]();
    expect(await readdir(join(store.root, "ingest"))).toEqual([]);
    expect(await readdir(join(store.root, "locks"))).toEqual([]);
  });

  test("folders are made inside the store only", async () => {
    const path = await store.directory("cache/steps", "x");
    expect(path).toBe(join(store.root, "cache", "steps", "x"));
    expect((await stat(path)).isDirectory()).toBe(true);
    for (const name of ["..", "a/../../b", "", "/etc", "a\0"]) await expect(store.directory(name)).rejects.toMatchObject({ code: "STORE_INVALID_NAME" });
  });
});

describe("damage", () => {
  test("a changed byte ends the read with STORE_DIGEST_MISMATCH, and the blob can be stored anew", async () => {
    const bytes = new Uint8Array(1_000_000).fill(5);
    const blob = await put(bytes);
    await chmod(blobPath(blob), 0o600);
    await writeFile(blobPath(blob), bytes.with(999_999, 6));
    await expect(drain(blob)).rejects.toMatchObject({ code: "STORE_DIGEST_MISMATCH" });
    expect(await store.has(blob)).toBe(false);
    await put(bytes);
    await drain(blob);
  });

  test("a truncated blob is not there, a read of it a mismatch without a byte", async () => {
    const blob = await put(new Uint8Array(1000));
    await truncate(blobPath(blob), 10);
    expect(await store.has(blob)).toBe(false);
    await expect(store.fetch(blob)).rejects.toMatchObject({ code: "STORE_DIGEST_MISMATCH" });
    await put(new Uint8Array(1000));
    await drain(blob);
  });

  test("a range beyond the blob is STORE_RANGE", async () => {
    const blob = await put(new Uint8Array(10));
    for (const [offset, length] of [
      [5, 6],
      [-1, 2],
      [0.5, 1],
      [11, 0],
    ] as const) {
      await expect(store.fetchRange(blob, offset, length)).rejects.toMatchObject({ code: "STORE_RANGE" });
    }
  });

  test("a symbolic link is no blob", async () => {
    await writeFile(join(folder, "secret"), "12345");
    const blob = describeBlob(new TextEncoder().encode("12345"));
    await symlink(join(folder, "secret"), blobPath(blob));
    expect(await store.has(blob)).toBe(false);
    await expect(store.fetch(blob)).rejects.toMatchObject({ code: "STORE_IO" });
  });

  test("a damaged layer index is a missing one", async () => {
    expect(await store.readLayerIndex(DIFF_ID)).toBeUndefined();
    expect(await store.hasLayerIndex(DIFF_ID)).toBe(false);
    await store.writeLayerIndex(DIFF_ID, [new Uint8Array([1]), new Uint8Array([2, 3])]);
    await store.writeLayerIndex(DIFF_ID, [new Uint8Array([4, 5])]);
    expect(new Uint8Array((await store.readLayerIndex(DIFF_ID)) ?? [])).toEqual(new Uint8Array([4, 5]));
    const path = join(store.root, "layers", `${digestHex(DIFF_ID)}.idx`);
    await truncate(path, 33);
    expect(await store.readLayerIndex(DIFF_ID)).toBeUndefined();
    await truncate(path, 0);
    expect(await store.readLayerIndex(DIFF_ID)).toBeUndefined();
    // as it can be made again
    expect(await store.hasLayerIndex(DIFF_ID)).toBe(true);
  });

  test.each(["", "{", "[]", '{"schemaVersion":2,"manifests":[{}]}', '{"schemaVersion":2,"manifests":[{"mediaType":"a","digest":"sha256:../x","size":1}]}'])(
    "index.json %j is STORE_CORRUPT_INDEX",
    async (text) => {
      await writeFile(join(store.root, "index.json"), text);
      await expect(store.refs()).rejects.toMatchObject({ code: "STORE_CORRUPT_INDEX" });
    },
  );
});

describe("refs", () => {
  const name = "docker.io/library/app:latest";

  test("name, resolve, rename, remove", async () => {
    const [one, two] = [await put(new Uint8Array([1]), MEDIA_TYPES.ociManifest), await put(new Uint8Array([2]), MEDIA_TYPES.ociIndex)];
    await store.tag(one, name);
    await store.tag({ ...two, annotations: { kept: "yes" } }, "a/b:c");
    expect(await store.refs()).toEqual([
      { name: "a/b:c", descriptor: { ...two, annotations: { kept: "yes" } } },
      { name, descriptor: one },
    ]);
    await store.tag(two, name);
    expect(await store.resolve(name)).toEqual(two);
    expect(await store.untag(name)).toBe(true);
    expect(await store.untag(name)).toBe(false);
    await expect(store.resolve(name)).rejects.toMatchObject({ code: "STORE_REF_NOT_FOUND" });
    expect(await store.has(one)).toBe(true);
  });

  test("a name that is said again writes nothing; one of another descriptor does", async () => {
    const one = await put(new Uint8Array([1]), MEDIA_TYPES.ociManifest);
    const index = join(store.root, "index.json");
    await store.tag(one, name);
    const { ino } = await stat(index);
    await store.tag(one, name);
    expect((await stat(index)).ino).toBe(ino);
    await store.tag({ ...one, annotations: { kept: "yes" } }, name);
    expect((await stat(index)).ino).not.toBe(ino);
  });

  test("a digest resolves to the manifest, named or not; other blobs and unknown digests do not", async () => {
    const manifest = new TextEncoder().encode('{"schemaVersion":2,"config":{},"layers":[]}');
    const blob = await put(manifest, MEDIA_TYPES.ociManifest);
    expect(await store.resolve(blob.digest)).toEqual(blob);
    expect(await store.resolve(`${name}@${blob.digest}`)).toEqual(blob);
    const other = await put(new TextEncoder().encode("[]"));
    await expect(store.resolve(other.digest)).rejects.toMatchObject({ code: "STORE_REF_NOT_FOUND" });
    await expect(store.resolve(DIFF_ID)).rejects.toMatchObject({ code: "STORE_REF_NOT_FOUND" });
  });

  test("what is not stored cannot be named", async () => {
    await expect(store.tag(describeBlob(new Uint8Array(1)), name)).rejects.toMatchObject({ code: "STORE_BLOB_NOT_FOUND" });
    await expect(store.tag(await put(new Uint8Array(1)), "")).rejects.toMatchObject({ code: "STORE_INVALID_NAME" });
  });

  test("entries of other programs stay, and are found by their name", async () => {
    const blob = await put(new Uint8Array([9]), MEDIA_TYPES.ociManifest);
    const foreign = { ...blob, annotations: { "org.opencontainers.image.ref.name": "theirs" }, unknown: { kept: true } };
    await writeFile(join(store.root, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [foreign, blob], annotations: { top: "kept" } }));
    expect((await store.resolve("theirs")).digest).toBe(blob.digest);
    await store.tag(blob, name);
    const index: unknown = JSON.parse(await readFile(join(store.root, "index.json"), "utf8"));
    expect(index).toMatchObject({ annotations: { top: "kept" }, manifests: [foreign, blob, { annotations: { "io.containerd.image.name": name } }] });
  });

  test("many changes at once lose none", async () => {
    const blob = await put(new Uint8Array([1]), MEDIA_TYPES.ociManifest);
    const names = Array.from({ length: 20 }, (_, at) => `app:${at}`);
    await Promise.all(names.map((tag) => store.tag(blob, tag)));
    expect((await store.refs()).map((ref) => ref.name)).toEqual(names.toSorted());
  });
});

describeWithTools(["skopeo"], "skopeo", () => {
  test("reads an image out of the store as it is", async () => {
    const config = await put(
      canonicalJson({ architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [] }, config: { Labels: { here: "yes" } } }),
      MEDIA_TYPES.ociConfig,
    );
    const manifest = await put(canonicalJson({ schemaVersion: 2, mediaType: MEDIA_TYPES.ociManifest, config, layers: [] }), MEDIA_TYPES.ociManifest);
    await store.tag(manifest, "docker.io/library/app:latest");
    await store.tag(manifest, "localhost:5000/team/other:v1.2");
    for (const name of ["docker.io/library/app:latest", "localhost:5000/team/other:v1.2"]) {
      const said: unknown = JSON.parse(execFileSync("skopeo", ["inspect", `oci:${store.root}:${name}`], { encoding: "utf8" }));
      expect(said).toMatchObject({ Digest: manifest.digest, Labels: { here: "yes" } });
    }
  });
});
