import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BytePath, toBytePath } from "@varve/bytes";
import { describeWithTools } from "@varve/testkit";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Launcher, openLauncher } from "./launcher/launcher.ts";
import { readXattrs, type XattrHolder } from "./xattr-reader.ts";
import { writeXattrs } from "./xattr-writer.ts";

describeWithTools(["setfattr", "getfattr"], "extended attributes", () => {
  let directory = "";
  let launcher: Launcher;
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "varve-xattrs-"));
    launcher = await openLauncher([directory]);
  });
  afterAll(() => {
    launcher.close();
    rmSync(directory, { recursive: true, force: true });
  });
  const path = (name: string): BytePath => toBytePath(join(directory, name));
  const holder = (name: string, type: XattrHolder["type"] = "file"): XattrHolder => ({ path: path(name), type });
  const set = (name: string, attribute: string, value: string): void => {
    execFileSync("setfattr", ["-n", attribute, "-v", value, join(directory, name)]);
  };

  it("are read of files and directories, by as many programs as it takes", async () => {
    mkdirSync(join(directory, "d"));
    set("d", "user.kind", "directory");
    const names = Array.from({ length: 10 }, (_, at) => `file${at}`);
    for (const name of names) {
      writeFileSync(join(directory, name), "");
      set(name, "user.name", name);
    }
    writeFileSync(join(directory, "bare"), "");
    set("file9", "user.bytes", "0x00ff");
    const many = Array.from({ length: 21_000 }, (_, at) => holder(at < 20_500 ? "bare" : (names[at % 10] ?? "")));
    const found = await readXattrs(launcher.path, [holder("d", "directory"), ...many, holder("gone")]);
    expect(found.get(path("d"))?.get("user.kind")).toEqual(new TextEncoder().encode("directory"));
    for (const name of names) expect(found.get(path(name))?.get("user.name")).toEqual(new TextEncoder().encode(name));
    expect(found.get(path("file9"))?.get("user.bytes")).toEqual(Uint8Array.of(0, 255));
    expect(found.size).toBe(11);
    const values = await readXattrs(
      launcher.path,
      Array.from({ length: 4100 }, () => holder("file1")),
    );
    expect([...values.keys()]).toEqual([path("file1")]);
  });

  it("are read whole when lists and values are long", async () => {
    writeFileSync(join(directory, "long"), "");
    // a list of over 256 bytes; ext4 gives a file's attributes 4 KiB in all
    for (let at = 0; at < 12; at++) set("long", `user.${"n".repeat(30)}${at}`, "v");
    set("long", "user.value", "v".repeat(1500));
    const xattrs = (await readXattrs(launcher.path, [holder("long")])).get(path("long"));
    expect(xattrs?.size).toBe(13);
    expect(xattrs?.get("user.value")).toHaveLength(1500);
  });

  it("are not the host's, overlayfs's or a symlink's target's", async () => {
    writeFileSync(join(directory, "plain"), "");
    set("plain", "user.overlay.opaque", "y");
    writeFileSync(join(directory, "target"), "");
    set("target", "user.kind", "target");
    symlinkSync("target", join(directory, "link"));
    expect((await readXattrs(launcher.path, [holder("plain"), holder("link")])).size).toBe(0);
  });

  it("are set, and what lacks one is named", async () => {
    writeFileSync(join(directory, "set"), "");
    const xattrs = new Map([
      ["user.a", Uint8Array.of(1)],
      ["user.b", Uint8Array.of(2, 0)],
    ]);
    expect(
      await writeXattrs(launcher.path, [
        { path: path("set"), xattrs },
        { path: path("nowhere"), xattrs },
      ]),
    ).toEqual([path("nowhere")]);
    expect((await readXattrs(launcher.path, [holder("set")])).get(path("set"))).toEqual(xattrs);
  });
});
