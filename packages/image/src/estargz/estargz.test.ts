import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { createCodec, decompress, encodeTarHeader, readTar, TAR_END, type TarHeader, tarPadding } from "@varve/archive";
import { type BytePath, collectBytes, concatBytes, streamOf } from "@varve/bytes";
import { isVarveError } from "@varve/errors";
import { indexLayer, mergeLayer, EMPTY_TREE } from "@varve/layer";
import { type Descriptor, digestFromHex, digestHex, MEDIA_TYPES } from "@varve/oci";
import { openStore, type Store } from "@varve/store";
import { describeWithTools, PLAIN_TAR_HEADER } from "@varve/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { decodeFooter, encodeFooter } from "./estargz-footer.ts";
import { createEstargzLayer, isEstargzLayer } from "./estargz-layer.ts";

const MIB = 1024 * 1024;
let directory: string;
let store: Store;
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "varve-estargz-"));
  store = await openStore({ root: path.join(directory, "store") });
});
afterEach(async () => {
  await store[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

const sha256 = (bytes: Uint8Array) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
const collect = (stream: AsyncIterable<Uint8Array>) => collectBytes(stream, 1e9, () => new Error("too large"));

interface Given extends Partial<Omit<TarHeader, "name" | "linkName">> {
  readonly name: string;
  readonly linkName?: string;
  readonly content?: Uint8Array;
}

function header({ content, ...given }: Given): TarHeader {
  return {
    ...PLAIN_TAR_HEADER,
    mtime: 1_600_000_000,
    size: content?.length ?? 0,
    ...given,
    name: given.name as BytePath,
    linkName: (given.linkName ?? "") as BytePath,
  };
}

const tarOf = (entries: readonly Given[]): Uint8Array =>
  concatBytes([
    ...entries.flatMap((entry) => [encodeTarHeader(header(entry)), entry.content ?? new Uint8Array(0), tarPadding(entry.content?.length ?? 0)]),
    TAR_END,
  ]);

async function put(blob: Uint8Array): Promise<Descriptor> {
  const descriptor = { mediaType: MEDIA_TYPES.ociLayer, digest: digestFromHex(sha256(blob).slice(7)), size: blob.length };
  await store.push(descriptor, async () => streamOf(blob));
  return descriptor;
}

interface Row {
  readonly name: string;
  readonly type: string;
  readonly size?: number;
  readonly offset?: number;
  readonly chunkOffset?: number;
  readonly chunkSize?: number;
  readonly chunkDigest?: string;
  readonly digest?: string;
  readonly [field: string]: unknown;
}

/** What a lazy puller does: footer, table, then contents by their offsets. */
class Reader {
  readonly rows: readonly Row[];
  readonly tocDigest: string;
  readonly #blob: Buffer;

  constructor(blob: Uint8Array) {
    this.#blob = Buffer.from(blob);
    const tocOffset = decodeFooter(this.#blob.subarray(-51)) ?? -1;
    const member = gunzipSync(this.#blob.subarray(tocOffset, -51));
    const size = Number.parseInt(member.subarray(124, 135).toString(), 8);
    expect(member.subarray(0, 18).toString()).toBe("stargz.index.json\0");
    expect(member.length).toBe(512 + Math.ceil(size / 512) * 512 + 1024);
    const json = member.subarray(512, 512 + size);
    this.tocDigest = sha256(json);
    const toc = JSON.parse(json.toString()) as { version: number; entries: Row[] };
    expect(toc.version).toBe(1);
    this.rows = toc.entries;
  }

  /** A file's content, every chunk checked; each is inflated from its own offset, as if nothing else were there. */
  read(name: string): Buffer {
    const first = this.rows.findIndex((row) => row.name === name && row.type === "reg");
    const { size = 0, digest } = this.rows[first] ?? {};
    const chunks: Buffer[] = [];
    for (let at = first; at < this.rows.length && chunks.reduce((sum, chunk) => sum + chunk.length, 0) < size; at++) {
      const { offset = -1, chunkOffset = 0, chunkSize, chunkDigest } = this.rows[at] ?? { name: "", type: "" };
      // no more of the blob than up to the next offset is needed
      const next = Math.min(...this.rows.flatMap((row) => ((row.offset ?? 0) > offset ? [row.offset ?? 0] : [])), this.#blob.length);
      const chunk = gunzipSync(this.#blob.subarray(offset, next)).subarray(0, chunkSize ?? size - chunkOffset);
      expect(chunkOffset).toBe(chunks.reduce((sum, one) => sum + one.length, 0));
      expect(sha256(chunk)).toBe(chunkDigest);
      chunks.push(chunk);
    }
    const content = Buffer.concat(chunks);
    expect([content.length, sha256(content)]).toEqual([size, digest]);
    return content;
  }
}

const LARGE = Buffer.concat([randomBytes(64 * 1024), Buffer.alloc(9 * MIB, "strata "), randomBytes(100)]);
const ENTRIES: readonly Given[] = [
  { name: "etc/", type: "directory", mode: 0o755 },
  { name: "etc/empty" },
  { name: "etc/motd", content: Buffer.from("hello\n"), mode: 0o4755, uid: 3_000_000, gid: 7, userName: "ada", groupName: "staff" },
  { name: "etc/soft", type: "symlink", linkName: "motd", mode: 0o777, mtime: 0 },
  { name: "etc/hard", type: "hardlink", linkName: "etc/motd" },
  { name: "dev/null", type: "char", deviceMajor: 1, deviceMinor: 3 },
  { name: "dev/pipe", type: "fifo" },
  { name: "etc/.wh.gone" },
  { name: "l".repeat(120), content: Buffer.from("a name that takes a PAX record") },
  { name: "exact", content: LARGE.subarray(0, 4 * MIB) },
  { name: "large", content: LARGE, xattrs: new Map([["security.capability", Uint8Array.of(1, 0, 0, 2)]]) },
  { name: "Wörter", content: Buffer.from("utf-8") },
].map((entry) => ({ ...entry, name: Buffer.from(entry.name).toString("latin1") }) as Given);

async function convert(entries: readonly Given[] = ENTRIES, codec = createCodec("gzip")) {
  const source = await put(tarOf(entries));
  const made = await createEstargzLayer(store, { descriptor: source }, codec);
  const blob = Buffer.from(await collect(await store.fetch(made.descriptor)));
  return { ...made, blob, tar: Buffer.from(await collect(decompress(streamOf(blob)))) };
}

describe("an estargz layer", () => {
  test("is read file by file, by footer and table", async () => {
    const { descriptor, blob, tar, diffID } = await convert();
    const reader = new Reader(blob);
    expect(descriptor.annotations).toEqual({
      "containerd.io/snapshot/stargz/toc.digest": reader.tocDigest,
      "io.containers.estargz.uncompressed-size": String(tar.length),
    });
    expect(isEstargzLayer(descriptor)).toBe(true);
    expect(diffID).toBe(sha256(tar));
    for (const { name, content } of ENTRIES)
      if (content !== undefined) expect(reader.read(Buffer.from(name, "latin1").toString()).equals(content), name).toBe(true);
    expect([...reader.read(".no.prefetch.landmark")]).toEqual([0xf]);
    const rows = reader.rows.map(({ offset: _offset, digest: _digest, chunkDigest: _chunkDigest, ...row }) => row);
    expect(rows.slice(0, 8)).toEqual([
      { name: ".no.prefetch.landmark", type: "reg", size: 1, mode: 0o644, uid: 0, gid: 0 },
      { name: "etc/", type: "dir", modtime: "2020-09-13T12:26:40Z", mode: 0o755, uid: 0, gid: 0 },
      { name: "etc/empty", type: "reg", modtime: "2020-09-13T12:26:40Z", mode: 0o644, uid: 0, gid: 0 },
      { name: "etc/motd", type: "reg", size: 6, modtime: "2020-09-13T12:26:40Z", mode: 0o4755, uid: 3_000_000, gid: 7, userName: "ada", groupName: "staff" },
      { name: "etc/soft", type: "symlink", linkName: "motd", mode: 0o777, uid: 0, gid: 0 },
      { name: "etc/hard", type: "hardlink", linkName: "etc/motd", modtime: "2020-09-13T12:26:40Z", mode: 0o644, uid: 0, gid: 0 },
      { name: "dev/null", type: "char", devMajor: 1, devMinor: 3, modtime: "2020-09-13T12:26:40Z", mode: 0o644, uid: 0, gid: 0 },
      { name: "dev/pipe", type: "fifo", modtime: "2020-09-13T12:26:40Z", mode: 0o644, uid: 0, gid: 0 },
    ]);
    expect(rows.find((row) => row.name === "large")?.["xattrs"]).toEqual({ "security.capability": "AQAAAg==" });
    expect(rows.filter((row) => row.name === "large").map((row) => [row.type, row.chunkOffset, row.chunkSize])).toEqual([
      ["reg", undefined, 4 * MIB],
      ["chunk", 4 * MIB, 4 * MIB],
      ["chunk", 8 * MIB, undefined],
    ]);
    expect(rows.filter((row) => row.name === "exact")).toHaveLength(1);
  });

  test("is the same tar beside the landmark in front and the table at the end", async () => {
    const { tar } = await convert();
    const names: string[] = [];
    for await (const entry of readTar(streamOf(tar))) names.push(entry.header.name);
    expect(names).toEqual([".no.prefetch.landmark", ...ENTRIES.map((entry) => entry.name), "stargz.index.json"]);
    expect(tar.subarray(1024).indexOf(tarOf(ENTRIES).subarray(0, -1024))).toBe(0);
    const tree = mergeLayer(EMPTY_TREE, await indexLayer(streamOf(tar)));
    expect(tree.lookup("etc/hard" as BytePath)?.node).toBe(tree.lookup("etc/motd" as BytePath)?.node);
  });

  test("is the same again, and from one that is estargz already", async () => {
    const first = await convert();
    expect((await convert()).descriptor).toEqual(first.descriptor);
    const { annotations: _, ...bare } = first.descriptor;
    expect(await createEstargzLayer(store, { descriptor: bare }, createCodec("gzip"))).toEqual({ diffID: first.diffID, descriptor: first.descriptor });
  });

  test("of nothing, and of many entries without content", async () => {
    expect(new Reader((await convert([])).blob).rows).toHaveLength(1);
    const many = Array.from({ length: 10_000 }, (_, i) => ({ name: `f${i}` }));
    const { blob, tar } = await convert(many);
    expect(new Reader(blob).rows).toHaveLength(10_001);
    expect(tar.length).toBeGreaterThan(5 * MIB);
  });

  test.each([
    ["a level", createCodec("gzip", { level: 1 })],
    ["portable", createCodec("gzip", { portable: true })],
    ["no compression at all", createCodec("gzip", { level: 0 })],
  ])("with %s", async (_name, codec) => {
    const { blob } = await convert(ENTRIES.slice(0, 4), codec);
    expect(new Reader(blob).read("etc/motd").toString()).toBe("hello\n");
  });

  test.each([
    ["stargz.index.json", "an estargz layer cannot hold a file of its own named stargz.index.json"],
    ["./.prefetch.landmark", "an estargz layer cannot hold a file of its own named ./.prefetch.landmark"],
    ["\xff", 'an estargz layer cannot hold "\\\\xff", which is not UTF-8'],
  ])("cannot hold %j", async (name, message) => {
    const failed = await convert([{ name, content: Buffer.from("x") }]).catch((error: unknown) => error);
    expect(isVarveError(failed) ? [failed.code, failed.message] : failed).toEqual(["IMAGE_OUTPUT", message]);
  });
});

test("a footer holds an offset; anything else is none", () => {
  const footer = encodeFooter(0x1234_5678_9abc);
  // docs/estargz.md, "Footer", byte for byte
  expect(Buffer.from(footer).toString("latin1")).toBe(`\x1f\x8b\x08\x04\0\0\0\0\0\xff\x1a\0SG\x16\x000000123456789abcSTARGZ\x01\0\0\xff\xff\0\0\0\0\0\0\0\0`);
  expect(decodeFooter(footer)).toBe(0x1234_5678_9abc);
  expect(gunzipSync(footer)).toHaveLength(0);
  for (const wrong of [footer.subarray(1), footer.with(0, 0), footer.with(20, 0x67), footer.with(37, 0), footer.with(50, 1), new Uint8Array(51)]) {
    expect(decodeFooter(wrong)).toBeUndefined();
  }
});

describeWithTools(["gzip", "tar", "bsdtar"], "programs that know nothing of estargz", () => {
  test("gzip -t, GNU tar and bsdtar", async () => {
    const { descriptor } = await convert();
    const file = path.join(store.root, "blobs/sha256", digestHex(descriptor.digest));
    execFileSync("gzip", ["-t", file]);
    for (const tool of ["tar", "bsdtar"]) {
      expect(execFileSync(tool, ["-xzOf", file, "etc/motd"], { encoding: "utf8" })).toBe("hello\n");
      expect(execFileSync(tool, ["-tzf", file], { encoding: "utf8" }).trim().split("\n")).toHaveLength(ENTRIES.length + 2);
    }
    expect((await readFile(file)).length).toBe(descriptor.size);
  });
});
