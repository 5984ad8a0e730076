import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { streamOf } from "@varve/bytes";
import { processIdentity } from "@varve/store";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { requireWritable, writeSink } from "./byte-sink.ts";
import { partialPath } from "./partial-file.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "varve-sink-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const bytes = new TextEncoder().encode("content");

describe("what a killed export left", () => {
  /** The name a process with another start time, of this machine, would have used. */
  async function leftBy(own: string, pid: number, start: string): Promise<string> {
    const name = own.replace(/-\d+-\w+-\d+\.partial$/, `-${pid}-${start}-1.partial`);
    await writeFile(path.join(folder, name), "half");
    return name;
  }

  it("is removed by the next one to the same place, and by no other", async () => {
    const target = path.join(folder, "a.tar");
    const own = path.basename(await partialPath(target));
    const child = spawn(process.execPath, ["-e", ""]);
    const { start } = await processIdentity(child.pid ?? 0);
    await once(child, "exit");
    await leftBy(own, child.pid ?? 0, start);
    // a pid that was given to another process since
    await leftBy(own, process.pid, "1");
    const running = await leftBy(own, process.ppid, (await processIdentity(process.ppid)).start);
    await writeFile(path.join(folder, ".a.tar.else.partial"), "");
    await writeSink(path.join(folder, "b.tar"), streamOf(bytes));
    expect(await readdir(folder)).toHaveLength(5);
    await writeSink(target, streamOf(bytes));
    expect((await readdir(folder)).toSorted()).toEqual([running, ".a.tar.else.partial", "a.tar", "b.tar"].toSorted());
  });

  it("by a process elsewhere stays for a day", async () => {
    const target = path.join(folder, "a.tar");
    const name = path.basename(await partialPath(target)).replace(/^\.a\.tar\.[0-9a-f]{12}/, ".a.tar.000000000000");
    await writeFile(path.join(folder, name), "half");
    await writeSink(target, streamOf(bytes));
    expect(await readdir(folder)).toContain(name);
    await utimes(path.join(folder, name), new Date(0), new Date(0));
    await writeSink(target, streamOf(bytes));
    expect(await readdir(folder)).toEqual(["a.tar"]);
  });
});

describe("requireWritable", () => {
  it.each<readonly [string, string | undefined]>([
    ["file", undefined],
    ["/dev/null", undefined],
    ["none/file", "there is no folder"],
    ["folder", "it is a directory"],
    ["plain/file", "plain is no folder"],
  ])("%s: %s", async (name, why) => {
    await mkdir(path.join(folder, "folder"));
    await writeFile(path.join(folder, "plain"), "as it was");
    const asked = requireWritable(path.resolve(folder, name));
    if (why === undefined) await asked;
    else await expect(asked).rejects.toMatchObject({ code: "IMAGE_OUTPUT", message: expect.stringContaining(why) as string });
    expect((await readdir(folder)).toSorted()).toEqual(["folder", "plain"]);
    expect(await readFile(path.join(folder, "plain"), "utf8")).toBe("as it was");
  });
});
