import { type BytePath, collectBytes, concatBytes, streamOf } from "@varve/bytes";
import { PLAIN_TAR_HEADER } from "@varve/testkit";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeTarHeader, readTar, TAR_END, type TarHeader, tarPadding } from "./index.ts";

interface Member {
  readonly header: TarHeader;
  readonly content: Uint8Array;
}

const byteString = (constraints: { minLength?: number; maxLength: number }) =>
  fc.uint8Array({ ...constraints, min: 1 }).map((bytes) => String.fromCharCode(...bytes));
// half of them long enough to need a prefix or a PAX record
const byteName = fc
  .oneof(
    byteString({ minLength: 1, maxLength: 99 }),
    fc.array(byteString({ minLength: 1, maxLength: 80 }), { minLength: 1, maxLength: 8 }).map((parts) => parts.join("/")),
  )
  .map((name) => name as BytePath);
const number = (limit: number) => fc.oneof(fc.nat(4096), fc.integer({ min: 0, max: limit }), fc.constantFrom(limit, 2_097_151, 2_097_152));
const time = fc.oneof(fc.integer({ min: -(2 ** 40), max: 2 ** 40 }), fc.constantFrom(0, 8 ** 11 - 1, 8 ** 11, 1.5, -0.25, 1_700_000_000.123));
const xattrs = fc
  .array(fc.tuple(byteString({ minLength: 1, maxLength: 30 }), fc.uint8Array({ maxLength: 300 })), { maxLength: 3 })
  .map((pairs) => new Map(pairs.map(([name, value]) => [`user.${name.replaceAll("=", "-")}`, value])));
const member: fc.Arbitrary<Member> = fc
  .record({
    name: byteName,
    type: fc.constantFrom("file", "hardlink", "symlink", "char", "block", "directory", "fifo"),
    mode: fc.nat(0o7777),
    uid: number(0xffffffff),
    gid: number(0xffffffff),
    mtime: time,
    link: byteName,
    major: number(0xffffffff),
    minor: number(0xffffffff),
    userName: byteString({ maxLength: 40 }),
    groupName: byteString({ maxLength: 40 }),
    xattrs,
    content: fc.uint8Array({ maxLength: 1500 }),
  })
  .map(({ link, major, minor, content, ...common }): Member => {
    const isDevice = common.type === "char" || common.type === "block";
    const kept = common.type === "file" ? content : new Uint8Array(0);
    return {
      header: {
        ...common,
        size: kept.length,
        linkName: (common.type === "hardlink" || common.type === "symlink" ? link : "") as BytePath,
        deviceMajor: isDevice ? major : 0,
        deviceMinor: isDevice ? minor : 0,
      },
      content: kept,
    };
  });

function pack(members: readonly Member[]): Uint8Array {
  return concatBytes([...members.flatMap(({ header, content }) => [encodeTarHeader(header), content, tarPadding(content.length)]), TAR_END]);
}

async function* cut(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function unpack(tar: Uint8Array, pieceSize = tar.length): Promise<Member[]> {
  const members: Member[] = [];
  for await (const entry of readTar(cut(tar, Math.max(1, pieceSize)))) {
    const content = await collectBytes(entry.content, 1e9, () => new Error("limit"));
    expect(Buffer.from(tar.subarray(entry.offset, entry.offset + content.length)).equals(content)).toBe(true);
    members.push({ header: entry.header, content });
  }
  return members;
}

describe("what is written is read", () => {
  test("any entries, in pieces of any size", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(member, { maxLength: 5 }), fc.integer({ min: 1, max: 3000 }), async (members, pieceSize) => {
        expect(await unpack(pack(members), pieceSize)).toEqual(members);
      }),
      { numRuns: 300 },
    );
  });

  test("contents may be left unread, in whole or in part", async () => {
    const members = fc.sample(member, { numRuns: 40, seed: 7 });
    const names: string[] = [];
    let turn = 0;
    for await (const entry of readTar(cut(pack(members), 700))) {
      names.push(entry.header.name);
      if (turn++ % 2 === 0) for await (const _ of entry.content) break;
    }
    expect(names).toEqual(members.map(({ header }) => header.name));
  });

  test("an entry's content can't be read once the next was asked for", async () => {
    const reader = readTar(
      streamOf(
        pack(
          fc.sample(
            member.filter(({ content }) => content.length > 0),
            { numRuns: 2, seed: 1 },
          ),
        ),
      ),
    );
    const first = await reader.next();
    await reader.next();
    await expect(collectBytes(first.value!.content, 1e9, () => new Error())).rejects.toThrow(/after the next entry/);
    await reader.return();
  });

  test("offsets tell where an entry's first header block and its content are", async () => {
    const [a, b] = fc.sample(member, { numRuns: 2, seed: 3 });
    const first = encodeTarHeader(a!.header).length;
    const length = first + a!.content.length + tarPadding(a!.content.length).length;
    const seen: number[][] = [];
    for await (const { headerOffset, offset } of readTar(streamOf(pack([a!, b!])))) seen.push([headerOffset, offset]);
    expect(seen).toEqual([
      [0, first],
      [length, length + encodeTarHeader(b!.header).length],
    ]);
  });
});

describe("bytes", () => {
  const plain: TarHeader = { ...PLAIN_TAR_HEADER, name: "a/b" as BytePath, size: 3, mtime: 17e8 };
  const text = (bytes: Uint8Array, from: number, length: number) => Buffer.from(bytes).toString("latin1", from, from + length);

  test("an entry that fits is one ustar block", () => {
    const block = encodeTarHeader(plain);
    expect(block.length).toBe(512);
    expect(text(block, 0, 4)).toBe("a/b\0");
    expect(text(block, 100, 48)).toBe("0000644\x000000000\x000000000\x0000000000003\x0014524770400\0");
    expect(text(block, 156, 1)).toBe("0");
    expect(text(block, 257, 8)).toBe("ustar\x0000");
    expect(text(block, 148, 8)).toMatch(/^[0-7]{6}\0 $/);
  });

  test("names to 100 bytes, and to 256 where a slash lets them, need no PAX record", () => {
    const blocks = (name: string) => encodeTarHeader({ ...plain, name: name as BytePath }).length / 512;
    expect(blocks("n".repeat(100))).toBe(1);
    expect(blocks("n".repeat(101))).toBe(3);
    expect(blocks(`${"p".repeat(155)}/${"n".repeat(100)}`)).toBe(1);
    expect(blocks(`${"p".repeat(156)}/${"n".repeat(100)}`)).toBe(3);
    expect(blocks(`${"p".repeat(155)}/${"n".repeat(101)}`)).toBe(3);
  });

  test("PAX lengths that count themselves across a power of ten", () => {
    for (let length = 1; length < 1200; length++) {
      const name = "n".repeat(length) as BytePath;
      const bytes = encodeTarHeader({ ...plain, name, size: 0 });
      if (length <= 100) continue;
      const record = text(bytes, 512, bytes.length - 1024).split("\n")[0]!;
      expect(Number(record.split(" ")[0])).toBe(record.length + 1);
    }
  });

  test("8 GiB and more, and ids past 21 bits, are PAX records beside a zero", async () => {
    const bytes = encodeTarHeader({ ...plain, size: 8 ** 11, uid: 8 ** 7, gid: 4_000_000_000 });
    expect(text(bytes, 512, 60)).toContain("19 size=8589934592\n");
    expect(text(bytes, 1024 + 124, 12)).toBe("00000000000\0");
    for await (const { header } of readTar(streamOf(bytes.subarray(0, 1536), new Uint8Array(0)))) {
      expect(header).toMatchObject({ size: 8 ** 11, uid: 8 ** 7, gid: 4_000_000_000 });
      break;
    }
  });

  test.each([
    ["a NUL in a name", { name: "a\0b" as BytePath }],
    ["an xattr name with =", { xattrs: new Map([["user.a=b", Uint8Array.of(1)]]) }],
    ["an empty xattr name", { xattrs: new Map([["", Uint8Array.of(1)]]) }],
  ])("%s is refused", (_, change) => {
    expect(() => encodeTarHeader({ ...plain, ...change })).toThrow(expect.objectContaining({ code: "ARCHIVE_UNENCODABLE" }));
  });
});
