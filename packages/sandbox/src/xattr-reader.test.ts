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

  it("are read of files and directories, more than one program asks for", async () => {
    mkdirSync(join(directory, "many"));
    const names = Array.from({ length: 4100 }, (_, at) => `many/${at}`);
    for (const name of names) writeFileSync(join(directory, name), "");
    set("many", "user.kind", "directory");
    set("many/4099", "user.one", "1");
    set("many/4099", "user.two", "0x00ff");
    const found = await readXattrs(launcher.path, [holder("many", "directory"), ...names.map((name) => holder(name)), holder("gone")]);
    expect([...found.keys()]).toEqual([path("many"), path("many/4099")]);
    expect(found.get(path("many"))?.get("user.kind")).toEqual(new TextEncoder().encode("directory"));
    expect(found.get(path("many/4099"))?.get("user.two")).toEqual(Uint8Array.of(0, 255));
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
