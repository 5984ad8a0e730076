import { execFileSync } from "node:child_process";
import { lutimesSync, mkdirSync, mkdtempSync, linkSync, lstatSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BytePath, collectBytes, concatBytes, streamOf, toBytePath } from "@varve/bytes";
import { describeWithTools, PLAIN_TAR_HEADER } from "@varve/testkit";
import fc from "fast-check";
import { extract, pack } from "tar-stream";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { encodeTarHeader, readTar, TAR_END, type TarHeader, tarPadding } from "./index.ts";

const collect = (stream: AsyncIterable<Uint8Array>) => collectBytes(stream, 1e9, () => new Error("limit"));

async function readAll(tar: Uint8Array): Promise<(TarHeader & { readonly content: string })[]> {
  const entries = [];
  for await (const { header, content } of readTar(streamOf(tar))) entries.push({ ...header, content: Buffer.from(await collect(content)).toString("latin1") });
  return entries;
}

function packAll(members: readonly (readonly [Partial<TarHeader>, string?])[]): Uint8Array {
  const parts = members.map(([header, content = ""]) =>
    concatBytes([
      encodeTarHeader({ ...PLAIN_TAR_HEADER, name: "file" as BytePath, ...header, size: content.length }),
      Buffer.from(content, "latin1"),
      tarPadding(content.length),
    ]),
  );
  return concatBytes([...parts, TAR_END]);
}

// what both codecs can say: tar-stream forces names to UTF-8, mode 0 to another one, and writes no uid past 262143
const name = fc.stringMatching(/^[a-zA-Zéλ🙂._ -]{1,60}(\/[a-zA-Zéλ._ -]{1,90}){0,4}$/u).filter((text) => !/(^|\/)\.{0,2}(\/|$)/.test(text));

describe("tar-stream", () => {
  test("reads what we write", async () => {
    await fc.assert(
      fc.asyncProperty(
        name,
        fc.integer({ min: 1, max: 0o7777 }),
        fc.nat(2_000_000),
        fc.nat(2_000_000_000),
        fc.stringMatching(/^[a-z]{0,700}$/),
        async (path, mode, uid, mtime, content) => {
          const seen: unknown[] = [];
          const reader = extract();
          reader.end(Buffer.from(packAll([[{ name: toBytePath(path), mode, uid, mtime }, content]])));
          for await (const entry of reader) {
            seen.push([
              entry.header.name,
              entry.header.mode,
              entry.header.uid,
              entry.header.mtime?.getTime(),
              Buffer.from(await collect(entry as AsyncIterable<Uint8Array>)).toString(),
            ]);
          }
          expect(seen).toEqual([[path, mode, uid, mtime * 1000, content]]);
        },
      ),
      { numRuns: 100 },
    );
  });

  test("is read as what it wrote", async () => {
    await fc.assert(
      fc.asyncProperty(
        name,
        fc.integer({ min: 1, max: 0o7777 }),
        fc.nat(262_143),
        fc.nat(2_000_000_000),
        fc.stringMatching(/^[a-z]{0,700}$/),
        async (path, mode, uid, mtime, content) => {
          const writer = pack();
          writer.entry({ name: path, mode, uid, mtime: new Date(mtime * 1000), pax: { "SCHILY.xattr.user.x": "y" } }, content);
          writer.finalize();
          const [entry] = await readAll(await collect(writer as AsyncIterable<Uint8Array>));
          expect(entry).toMatchObject({ name: toBytePath(path), mode, uid, mtime, content });
          expect(entry?.xattrs.get("user.x")).toEqual(Uint8Array.of(0x79));
        },
      ),
      { numRuns: 100 },
    );
  });
});

describeWithTools(["tar"], "GNU tar", () => {
  const bytes = (text: string) => Buffer.from(text, "latin1");
  const long = `${"d".repeat(90)}/${"e".repeat(90)}/${"f".repeat(120)}`;
  let directory: string;

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "varve-tar-"));
    const at = (path: string) => Buffer.concat([bytes(`${directory}/tree/`), bytes(path)]);
    mkdirSync(at(""));
    mkdirSync(at("dir"), { mode: 0o750 });
    mkdirSync(at("d".repeat(90)));
    mkdirSync(at(`${"d".repeat(90)}/${"e".repeat(90)}`));
    writeFileSync(at("dir/file"), "content\n");
    writeFileSync(at("empty"), "");
    writeFileSync(at("block"), "x".repeat(512));
    writeFileSync(at("caf\xe9 \xff\x01"), "bytes");
    linkSync(at("dir/file"), at("hard"));
    symlinkSync("../nowhere", at("soft"));
    symlinkSync("t".repeat(300), at("long-link"));
    lutimesSync(at("empty"), 12345, 12345);
    execFileSync("mkfifo", [`${directory}/tree/fifo`]);
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  const list = (format: string, ...names: string[]) =>
    execFileSync("tar", ["-C", `${directory}/tree`, `--format=${format}`, "--sort=name", "-cf", "-", ...names], { maxBuffer: 1e8 });

  test.each([["gnu"], ["posix"], ["oldgnu"]])("%s: every entry is read as it lies on disk", async (format) => {
    writeFileSync(Buffer.from(`${directory}/tree/${long}`), "deep");
    const entries = await readAll(list(format, "."));
    expect(entries.length).toBe(13);
    for (const entry of entries) {
      const path = Buffer.concat([bytes(`${directory}/tree/`), bytes(entry.name.replace(/\/$/, ""))]);
      const stat = lstatSync(path);
      expect(entry).toMatchObject({ mode: stat.mode & 0o7777, uid: stat.uid, gid: stat.gid });
      expect(Math.floor(entry.mtime)).toBe(Math.floor(stat.mtimeMs / 1000));
      if (entry.type === "file") expect(entry.content).toBe(readFileSync(path, "latin1"));
    }
    const find = (path: string) => entries.find((entry) => entry.name === `./${path}`);
    expect(find("hard")).toMatchObject({ type: "hardlink", linkName: "./dir/file" });
    expect(find("soft")).toMatchObject({ type: "symlink", linkName: "../nowhere" });
    expect(find("long-link")).toMatchObject({ type: "symlink", linkName: "t".repeat(300) });
    expect(find("caf\xe9 \xff\x01")?.content).toBe("bytes");
    expect(find(long)?.content).toBe("deep");
    expect(find("fifo")?.type).toBe("fifo");
    expect(find("dir/")?.type).toBe("directory");
  });

  test.each([["ustar"], ["v7"]])("%s: what the format can hold", async (format) => {
    const entries = await readAll(list(format, "dir", "empty", "block", "soft"));
    expect(entries.map((entry) => [entry.name, entry.type])).toEqual([
      ["dir/", "directory"],
      ["dir/file", "file"],
      ["empty", "file"],
      ["block", "file"],
      ["soft", "symlink"],
    ]);
    expect(entries[2]?.mtime).toBe(12345);
  });

  test("sparse files are refused in every form", async () => {
    execFileSync("truncate", ["-s", "1M", `${directory}/holes`]);
    for (const format of ["gnu", "posix"]) {
      for (const version of ["0.0", "0.1", "1.0"]) {
        const tar = execFileSync("tar", ["-C", directory, "-S", `--format=${format}`, `--sparse-version=${version}`, "-cf", "-", "holes"]);
        await expect(readAll(tar), `${format} ${version}`).rejects.toThrow(expect.objectContaining({ code: "ARCHIVE_UNSUPPORTED_TAR" }));
      }
    }
  });

  test("extracts what we write", () => {
    const target = join(directory, "out");
    mkdirSync(target);
    const members: [Partial<TarHeader>, string?][] = [
      [{ name: "top/" as BytePath, type: "directory", mode: 0o755, mtime: 5 }],
      [{ name: `top/${"n".repeat(200)}` as BytePath, mode: 0o600, mtime: 1_700_000_000 }, "long"],
      [{ name: "top/caf\xe9" as BytePath }, "bytes"],
      [{ name: "top/link" as BytePath, type: "hardlink", linkName: `top/${"n".repeat(200)}` as BytePath }],
      [{ name: "top/soft" as BytePath, type: "symlink", mode: 0o777, linkName: "s".repeat(150) as BytePath }],
      [{ name: "top/old" as BytePath, mtime: -10 }, ""],
      [{ name: "top/fifo" as BytePath, type: "fifo" }],
    ];
    execFileSync("tar", ["-C", target, "--no-same-owner", "-xpf", "-"], { input: packAll(members) });
    const at = (path: string) => bytes(`${target}/top/${path}`);
    expect(readFileSync(at("n".repeat(200)), "utf8")).toBe("long");
    expect(lstatSync(at("n".repeat(200))).mode & 0o7777).toBe(0o600);
    expect(lstatSync(at("link")).ino).toBe(lstatSync(at("n".repeat(200))).ino);
    expect(readFileSync(at("caf\xe9"), "utf8")).toBe("bytes");
    expect(lstatSync(at("old")).mtimeMs).toBe(-10_000);
    expect(lstatSync(at("fifo")).isFIFO()).toBe(true);
  });

  test("lists numbers that need PAX records", () => {
    const out = execFileSync("tar", ["--numeric-owner", "--utc", "-tvf", "-"], {
      input: packAll([[{ uid: 4_000_000_000, gid: 3_000_000, mtime: 8 ** 11 + 5 }, "abc"]]),
    });
    expect(out.toString()).toMatch(/4000000000\/3000000\s+3 2242-03-16 12:56 file/);
  });
});
