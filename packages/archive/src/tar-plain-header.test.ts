import { toBytePath } from "@varve/bytes";
import { expect, it } from "vitest";
import { fitsPlainHeader, writePlainHeader } from "./tar-plain-header.ts";
import type { TarHeader } from "./tar-entry.ts";
import { encodeTarHeader } from "./tar-writer.ts";

const NAMES = ["a", "app/ü/b", "x".repeat(100), "d/", "./"];
const NUMBERS = [0, 1, 0o777, 0o7777, 123_456, 2 ** 21 - 1];
const LARGE = [0, 511, 2 ** 31, 2 ** 33 - 1];

it.each(["file", "directory", "symlink", "hardlink"] as const)("writes the block that the encoder gives of a %s", (type) => {
  const bytes = (text: string): Uint8Array => Buffer.from(toBytePath(text), "latin1");
  for (const name of NAMES) {
    for (const link of type === "file" || type === "directory" ? [""] : ["../t", "y".repeat(100)]) {
      for (const number of NUMBERS) {
        for (const large of LARGE) {
          const header = { type, mode: number & 0o7777, uid: number, gid: number, size: large, mtime: LARGE[(large + 1) % 4] ?? 0 };
          const rest = {
            linkName: toBytePath(link),
            userName: "",
            groupName: "",
            deviceMajor: 0,
            deviceMinor: 0,
            xattrs: new Map(),
          } satisfies Partial<TarHeader>;
          const out = new Uint8Array(1536).fill(0xaa);
          const plain = { ...header, name: Buffer.concat([bytes(name), Buffer.from("more")]), nameLength: bytes(name).length, link: bytes(link) };
          writePlainHeader(out, 512, plain);
          expect(fitsPlainHeader(plain)).toBe(true);
          expect(Buffer.from(out.subarray(512, 1024)).equals(encodeTarHeader({ ...rest, ...header, name: toBytePath(name) }))).toBe(true);
          expect([out[511], out[1024]]).toEqual([0xaa, 0xaa]);
        }
      }
    }
  }
});

it.each([{ uid: 2 ** 21 }, { gid: 2 ** 21 }, { size: 2 ** 33 }, { mtime: -1 }, { mtime: 2 ** 33 }, { nameLength: 101 }, { link: new Uint8Array(101) }])(
  "knows what it can't write: %j",
  (other) => {
    const plain = { type: "file", mode: 0, uid: 0, gid: 0, size: 0, mtime: 0, name: new Uint8Array(101), nameLength: 1, link: new Uint8Array(0) } as const;
    expect([fitsPlainHeader(plain), fitsPlainHeader({ ...plain, ...other })]).toEqual([true, false]);
  },
);
