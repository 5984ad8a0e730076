import { chownSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import type { BytePath } from "@varve/bytes";
import { type ContentReader, createTreeBuilder, EMPTY_TREE, type FileTree } from "@varve/layer";
import { expect, it } from "vitest";
import type { RunStep } from "./runner.ts";
import { describeRungs, ORDINARY } from "./rung.fixture.ts";

const NO_READER: ContentReader = { open: () => Promise.reject(new Error("unused")), digest: () => Promise.reject(new Error("unused")) };

describeRungs("mounts of a step", (rung) => {
  const { one, refuses } = rung;

  it("mounts trees and files read-only, or writable and thrown away", async () => {
    const tree = treeOf({ "src/a": "A", "src/sub/b": "B", other: "no" });
    const dir = { kind: "bind", target: "/mnt/in", readonly: true, tree, reader: NO_READER, source: "/src" } as const;
    expect(await rung.run("cd /mnt/in; find . | sort; cat a sub/b; echo x > a || echo refused", { mounts: [dir] })).toMatchObject({
      // without mounts or Landlock there is nothing to be read-only: what is written is thrown away
      stdout: `.\n./a\n./sub\n./sub/b\nAB${refuses ? "refused\n" : ""}`,
      listing: [],
    });
    expect(await rung.run("cd /mnt/in; echo x > a; echo y > c; cat a c", { mounts: [{ ...dir, readonly: false }] })).toMatchObject({
      stdout: "x\ny\n",
      listing: [],
    });
    expect(await rung.run("cat /etc/one; ls /mnt 2>/dev/null", { mounts: [{ ...dir, source: "src/a", target: "/etc/one" }] })).toMatchObject({
      stdout: "A",
      listing: [],
    });
    await expect(rung.run("true", { mounts: [{ ...dir, source: "/none" }] })).rejects.toMatchObject({
      code: "SNAPSHOT_MOUNT_TARGET",
      message: expect.stringContaining("/none") as string,
    });
    await expect(rung.run("true", { mounts: [{ ...dir, target: "/etc/passwd" }] })).rejects.toMatchObject({ code: "SNAPSHOT_MOUNT_TARGET" });
    await expect(rung.run("true", { mounts: [{ ...dir, target: "/proc/x" }] })).rejects.toMatchObject({ code: "SNAPSHOT_MOUNT_TARGET" });
  });

  it("mounts on /dev, or says that it can't", async () => {
    const empty = rung.run("ls -A /dev", { mounts: [{ kind: "tmpfs", target: "/dev" }] });
    if (rung.rung === "proot" || rung.rung === "oci") await expect(empty).rejects.toMatchObject({ code: "SANDBOX_UNSUPPORTED" });
    else expect(await empty).toMatchObject({ exitCode: 0, listing: [] });
  });

  it("mounts inside mounts", async () => {
    const tree = treeOf({ "app/package.json": "{}" });
    const mounts: RunStep["mounts"] = [
      { kind: "file", target: "/app/cache/secret", content: Buffer.from("s"), mode: 0o400, uid: 0, gid: 0 },
      { kind: "cache", target: "/app/cache", id: "inner", sharing: "shared", readonly: false, mode: 0o755, uid: 0, gid: 0 },
      { kind: "bind", target: "/app", readonly: true, tree, reader: NO_READER, source: "/app" },
      { kind: "tmpfs", target: "/dev/shm", size: 1 << 20 },
      { kind: "file", target: "/dev/pipes/EOF", content: Buffer.from("#!/bin/sh\necho piped"), mode: 0o755, uid: 0, gid: 0 },
    ];
    const { stdout, listing } = await rung.run(
      "cat /app/package.json /app/cache/secret; echo z > /app/cache/kept; touch /app/no 2>/dev/null || echo ro; echo x > /app/cache/secret 2>/dev/null || echo ro; /dev/pipes/EOF",
      { mounts },
    );
    expect(stdout).toBe(refuses ? "{}sro\nro\npiped\n" : "{}spiped\n");
    expect(listing).toEqual([]);
    expect(
      (
        await rung.run("cat /c/kept; test -s /c/secret && echo leaked", {
          mounts: [{ kind: "cache", target: "/c", id: "inner", sharing: "shared", readonly: false, mode: 0o755, uid: 0, gid: 0 }],
        })
      ).stdout,
    ).toBe("z\n");
  });

  it("does not follow a symlink that a cache holds where another mount goes", async () => {
    const cache = { kind: "cache", target: "/c", id: "trap", sharing: "shared", readonly: false, mode: 0o755, uid: 0, gid: 0 } as const;
    await rung.run(`ln -s ${rung.home} /c/in`, { mounts: [cache] });
    await expect(rung.run("ls /c/in", { mounts: [cache, { kind: "tmpfs", target: "/c/in/deep" }] })).rejects.toMatchObject({ code: "SANDBOX_SETUP_FAILED" });
  });

  it("keeps caches apart by id, fills new ones, and gives private users their own", async () => {
    const cache = { kind: "cache", target: "/c", id: "one", sharing: "private", readonly: false, mode: 0o750, uid: 0, gid: 0 } as const;
    expect((await rung.run("stat -c %a /c; echo 1 > /c/f", { mounts: [cache] })).stdout).toBe("750\n");
    expect((await rung.run("cat /c/f; ls /d", { mounts: [cache, { ...cache, id: "two", target: "/d" }] })).stdout).toBe("1\n");
    expect((await rung.run("ls /c; ls /d", { mounts: [cache, { ...cache, target: "/d" }] })).stdout).toBe(rung.proc ? "f\nf\n" : "f\n");
    const readonly = await rung.run("cat /c/f; rm /c/f 2>/dev/null || echo ro; touch /c/x", { mounts: [{ ...cache, readonly: true }] });
    // what can be written to is a copy
    expect(readonly).toMatchObject({ stdout: refuses ? "1\nro\n" : "1\n", listing: [] });
    expect((await rung.run("cat /c/f; ls /c", { mounts: [cache] })).stdout).toBe("1\nf\n");
    const from = { tree: treeOf({ "seed/s": "S" }), reader: NO_READER, source: "/seed" };
    expect((await rung.run("cat /c/s; rm /c/s", { mounts: [{ ...cache, id: "filled", from }] })).stdout).toBe("S");
    expect((await rung.run("ls /c", { mounts: [{ ...cache, id: "filled", from }] })).stdout).toBe("");
  });

  it("shows the host's own files read-only, or not at all", async () => {
    const shown = join(rung.home, "shown");
    mkdirSync(shown, { recursive: true });
    writeFileSync(join(shown, "f"), "1");
    const run = rung.run("cat /v/f; echo 2 > /v/f", { mounts: [{ kind: "host", target: "/v", source: shown, readonly: true }] });
    if (refuses) expect(await run).toMatchObject({ stdout: "1", exitCode: 1 });
    else await expect(run).rejects.toMatchObject({ code: "SANDBOX_UNSUPPORTED", message: expect.stringContaining("/v") as string });
    expect(readFileSync(join(shown, "f"), "utf8")).toBe("1");
  });

  it.skipIf(refuses)("takes back what a step moves, where that can be done", async () => {
    const cache = { kind: "cache", target: "/c", id: "moved", sharing: "shared", readonly: false, mode: 0o755, uid: 0, gid: 0 } as const;
    // one that can be executed is on the disk
    const secret = { kind: "file", target: "/run/secrets/s", content: Buffer.from("hunter2"), mode: 0o500, uid: 0, gid: 0 } as const;
    const moved = await rung.run("touch /c/f; mv /c /d; mv /run/secrets/s /x; ls /d; cat /x", { mounts: [cache, secret] });
    expect(moved).toMatchObject({ stdout: "f\nhunter2", listing: [] });
    expect((await rung.run("ls /c", { mounts: [cache] })).stdout).toBe("f\n");
  });

  it("lets steps share a cache at the same time, but where it is moved into the root", async () => {
    const cache = { kind: "cache", target: "/c", id: "met", sharing: "shared", readonly: false, mode: 0o777, uid: 0, gid: 0 } as const;
    const meet = "echo > /c/$0; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do test -e /c/$1 && exec echo met; sleep 0.1; done; rm /c/$0";
    const steps = ["a b", "b a"].map((names) => rung.run("", { mounts: [cache], args: ["/bin/sh", "-c", meet, ...names.split(" ")] }));
    const stdout = (await Promise.all(steps)).map((ran) => ran.stdout).join("");
    expect(stdout).toBe(rung.proc ? "met\nmet\n" : "");
  });

  it("lets steps that lock the same caches take turns, whatever order they name them in, or twice", async () => {
    const cache = (id: string, target: string) => ({ kind: "cache", target, id, sharing: "locked", readonly: false, mode: 0o755, uid: 0, gid: 0 }) as const;
    const orders = Array.from({ length: 5 }, (_, i) => [cache("x", i % 2 === 0 ? "/a" : "/b"), cache("y", i % 2 === 0 ? "/b" : "/a")]);
    await Promise.all(orders.map((mounts) => rung.run("sleep 0.05", { mounts })));
    const twice = rung.run("echo 1 > /a/f; cat /b/f", { mounts: [cache("z", "/a"), cache("z", "/b")] });
    if (rung.proc) expect((await twice).stdout).toBe("1\n");
    else await expect(twice).rejects.toMatchObject({ code: "SANDBOX_UNSUPPORTED" });
  });

  it("lets a locked cache wait for its other user", async () => {
    const cache = { kind: "cache", target: "/c", id: "locked", sharing: "locked", readonly: false, mode: 0o755, uid: 0, gid: 0 } as const;
    const script = "for i in 1 2 3 4 5; do echo $1 >> /c/log; sleep 0.02; done";
    await Promise.all(["a", "b", "c"].map((name) => rung.run("", { mounts: [cache], args: ["/bin/sh", "-c", script, "sh", name] })));
    const { stdout } = await rung.run("uniq -c /c/log | tr -s ' '", { mounts: [cache] });
    expect(
      stdout
        .trim()
        .split("\n")
        .map((line) => line.trim().split(" ")[0]),
    ).toEqual(["5", "5", "5"]);
  });

  it("shows secrets with mode and owner, and forgets them", async () => {
    const mounts: RunStep["mounts"] = [
      { kind: "file", target: "/run/secrets/token", content: Buffer.from("hunter2"), mode: 0o440, uid: one ? 0 : 7, gid: one ? 0 : 8 },
    ];
    const { stdout, listing } = await rung.run("stat -c '%a %u:%g' /run/secrets/token; cat /run/secrets/token", { mounts });
    expect(stdout).toBe(`440 ${one ? "0:0" : "7:8"}\nhunter2`);
    expect(listing).toEqual([]);
  });

  it("leads a step to an agent's socket", async () => {
    const path = join(rung.home, "agent");
    const server = createServer((client) => client.end("from the agent"));
    await new Promise<void>((resolve) => server.listen(path, resolve));
    if (one) chownSync(path, ORDINARY, ORDINARY);
    const { stdout, exitCode } = await rung.run("stat -c '%F %a' /run/agent; nc local:/run/agent < /dev/null 2>/dev/null || true", {
      mounts: [{ kind: "ssh", target: "/run/agent", agentSocket: path, mode: 0o600, uid: 0, gid: 0 }],
    });
    server.close();
    expect({ stdout, exitCode }).toMatchObject({ stdout: expect.stringContaining("socket 600\n") as string, exitCode: 0 });
  });
});

function treeOf(files: Readonly<Record<string, string>>): FileTree {
  const builder = createTreeBuilder(EMPTY_TREE);
  for (const [path, text] of Object.entries(files)) {
    builder.set({
      path: path as BytePath,
      type: "file",
      mode: 0o644,
      uid: 0,
      gid: 0,
      mtime: 1,
      size: text.length,
      content: { kind: "bytes", bytes: Buffer.from(text), size: text.length },
    });
  }
  return builder.finish();
}
