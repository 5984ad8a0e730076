import { chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type BytePath, collectBytes, streamOf } from "@varve/bytes";
import { type Change, type ContentReader, createTreeBuilder, EMPTY_TREE, type FileTree, mergeLayer, withParents, writeLayerTar } from "@varve/layer";
import type { DiffID } from "@varve/oci";
import {
  createProgram,
  enterProgram,
  launcherArch,
  launcherExecutable,
  namespaceDriver,
  type Program,
  reportExecutions,
  type SandboxDriver,
  type SystemCall,
} from "@varve/sandbox";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createRunnerWith } from "./create-runner.ts";
import { busyboxEntries, fixtureRoot, type FixtureRoot, shellStep } from "./runner.fixture.ts";
import type { Runner, RunOutcome, RunStep } from "./runner.ts";

const missing = existsSync("/bin/busybox") ? [] : ["busybox-static"];
const available = missing.length === 0 && process.getuid?.() === 0;
if (!available && process.env["CI"] === "true") throw new Error(`tests of RUN need root and ${missing.join(", ")}`);

const ORDINARY = 1000;
const ids = { uid: ORDINARY, gid: ORDINARY };
const asUser: SandboxDriver = {
  ...namespaceDriver,
  entries: () => [{ description: "as an ordinary user", program: (argv, env) => enterProgram({ arch: launcherArch(), argv, env, mapped: ids, as: ids }) }],
};
const asRoot: SandboxDriver = { ...namespaceDriver, entries: () => namespaceDriver.entries().slice(0, 1) };

const NO_READER: ContentReader = { open: () => Promise.reject(new Error("unused")), digest: () => Promise.reject(new Error("unused")) };

for (const [place, driver] of [
  ["as root", asRoot],
  ["as an ordinary user", asUser],
] as const) {
  describe.skipIf(!available)(`the rung namespace ${place}${available ? "" : ` (needs root and ${missing.join(", ")})`}`, () => {
    const one = driver === asUser;
    let home = "";
    let runner: Runner;
    let root: FixtureRoot;

    beforeAll(() => {
      home = mkdtempSync(join(tmpdir(), "varve-run-"));
      mkdirSync(`${home}/snapshots`, { mode: 0o700 });
      if (one) for (const path of [home, `${home}/snapshots`]) chownSync(path, ORDINARY, ORDINARY);
      root = fixtureRoot(busyboxEntries());
      runner = createRunnerWith([driver], { snapshots: `${home}/snapshots`, cacheMounts: `${home}/cache/mounts`, sandbox: "auto" });
    });
    afterAll(async () => {
      await runner[Symbol.asyncDispose]();
      const form = one ? "one" : "real";
      const left = readdirSync(`${home}/snapshots/${form}/work`);
      rmSync(home, { recursive: true, force: true });
      expect(left).toEqual([]);
    });

    /** Runs a script and gives what it wrote and changed, `path: type mode uid:gid content` a line. */
    const run = async (
      script: string,
      more: Partial<RunStep> = {},
      on = root,
    ): Promise<{ stdout: string; stderr: string; exitCode: number; signal: string | undefined; changes: readonly Change[]; listing: string[] }> => {
      const text = { stdout: "", stderr: "" };
      await using outcome = await runner.run(
        shellStep(on, script, { onOutput: (stream, chunk) => void (text[stream] += Buffer.from(chunk).toString()), ...more }),
      );
      const { changes } = await outcome.changes();
      return {
        ...text,
        exitCode: outcome.exitCode,
        signal: outcome.signal,
        changes,
        listing: await Promise.all(changes.map((change) => describeChange(change, outcome))),
      };
    };

    it("gives a process exactly its environment, directory, umask, host name and closed stdin", async () => {
      const { stdout, stderr, exitCode } = await run("pwd; umask; hostname; cat; echo err >&2; exit 7", { cwd: "/new/place" });
      expect(stdout).toBe("/new/place\n0022\nbuildkitsandbox\n");
      expect((await run("", { args: ["env"], env: ["PATH=/bin:/usr/bin", "A=b c", "ü=ö", "=x", "B"] })).stdout).toBe("PATH=/bin:/usr/bin\nA=b c\nü=ö\n=x\nB\n");
      expect(stderr).toBe("err\n");
      expect(exitCode).toBe(7);
    });

    it("takes user and group, drops capabilities to Docker's default set", async () => {
      const asZero = await run("grep -E '^Cap|^NoNewPrivs' /proc/self/status; id -u; id -g");
      expect(asZero.stdout.replaceAll("\t", " ")).toBe(
        "CapInh: 0000000000000000\nCapPrm: 00000000a80425fb\nCapEff: 00000000a80425fb\nCapBnd: 00000000a80425fb\nCapAmb: 0000000000000000\nNoNewPrivs: 0\n0\n0\n",
      );
      const other = await run("grep CapEff /proc/self/status; id -u; id -g; id -G; touch /tmp/mine; touch /etc/not", {
        user: { uid: 1234, gid: 55, groups: [66, 77] },
      });
      expect(other.stdout).toBe(`CapEff:\t0000000000000000\n1234\n55\n${one ? "55" : "55 66 77"}\n`);
      expect(other.listing).toContain('added tmp/mine: file 644 1234:55 ""');
      if (!one) expect(other.stderr).toContain("/etc/not: Permission denied");
    });

    it("reads a step's own changes only, and only while the step's root is there", async () => {
      const outcome = await runner.run(shellStep(root, "echo text > /made"));
      const [change] = (await outcome.changes()).changes;
      const content = change?.kind === "added" ? change.entry.content : undefined;
      if (content?.kind !== "snapshot") throw new Error("a changed file's content is in the snapshot");
      const elsewhere = { ...content, snapshot: "another" };
      await expect(outcome.reader.open(elsewhere)).rejects.toMatchObject({ code: "SNAPSHOT_READ_FAILED" });
      await outcome[Symbol.asyncDispose]();
      await expect(outcome.changes()).rejects.toMatchObject({ code: "SNAPSHOT_READ_FAILED" });
    });

    it("hands no descriptor on but the standard ones", async () => {
      const { stdout } = await run("for n in $(seq 0 99); do [ -e /proc/self/fd/$n ] && echo $n; done; true");
      expect(stdout).toBe("0\n1\n2\n");
    });

    it("finds every kind of change, and none where nothing differs", async () => {
      const { listing, exitCode, stderr } = await run(
        [
          "echo new > /etc/new", // added
          "cat /etc/passwd > /tmp/p && cat /tmp/p > /etc/passwd && rm /tmp/p && touch -d @1700000000 /etc/passwd /tmp", // rewritten with the same bytes and times
          "rm /etc/group", // deleted
          "rm -rf /usr/bin && mkdir /usr/bin && echo x > /usr/bin/x", // opaque
          "rm -rf /home && echo file > /home", // directory becomes file
          "chmod 4750 /bin/busybox", // mode only
          "touch -d @1700000000 /bin",
          "mkfifo -m 600 /pipe && ln -s ../nowhere /link",
          "mkdir /d && echo one > /d/a && ln /d/a /d/b",
          "mv /usr/sbin /usr/moved", // a renamed directory
        ].join(" && "),
      );
      expect(stderr).toBe("");
      expect(exitCode).toBe(0);
      expect(listing.filter((line) => !line.includes("usr/moved/"))).toEqual(
        [
          "modified bin/busybox: file 4750 0:0",
          "added d: directory 755 0:0",
          'added d/a: file 644 0:0 "one\\n"',
          'added d/b: file 644 0:0 "one\\n"',
          "modified etc: directory 755 0:0",
          "deleted etc/group",
          'added etc/new: file 644 0:0 "new\\n"',
          'modified home: file 644 0:0 "file\\n"',
          "added link: symlink 777 0:0 -> ../nowhere",
          "added pipe: fifo 600 0:0",
          "modified usr: directory 755 0:0",
          "modified usr/bin: directory 755 0:0",
          ...root.tree.list("usr/bin" as BytePath).map((name) => `deleted usr/bin/${name}`),
          'added usr/bin/x: file 644 0:0 "x\\n"',
          "added usr/moved: directory 755 0:0",
          "deleted usr/sbin",
        ].toSorted((a, b) => order(a, b)),
      );
      const moved = listing.filter((line) => line.includes("usr/moved/"));
      expect(moved).toHaveLength(root.tree.list("usr/sbin" as BytePath).length);
    });

    it("tells hardlinks by their nodes", async () => {
      const { changes } = await run("echo 1 > /a; ln /a /b; echo 1 > /c");
      const node = (path: string): number | undefined => changes.flatMap((c) => (c.path === path && c.kind !== "deleted" ? [c.entry.node] : []))[0];
      expect(node("a")).toBe(node("b"));
      expect(node("c")).not.toBe(node("a"));
    });

    it.skipIf(one)("keeps owners and special files", async () => {
      const { listing } = await run("mkdir /o && touch /o/f && chown 5:6 /o/f && mknod /o/c c 1 3 && mknod /o/b b 7 300 && chown -h 9:9 /bin/ls");
      expect(listing).toEqual([
        "modified bin/ls: symlink 777 9:9 -> /bin/busybox",
        "added o: directory 755 0:0",
        "added o/b: block 644 0:0 7,300",
        "added o/c: char 644 0:0 1,3",
        'added o/f: file 644 5:6 ""',
      ]);
    });

    it.runIf(one)("answers calls for other ids with success, since package installations make them", async () => {
      const { stdout, listing } = await run(
        "chown 5:6 /etc/passwd && mknod /n c 1 3 && su nobody -s /bin/sh -c 'echo went on'; mkfifo /f; stat -c %u /etc/passwd",
      );
      expect(stdout).toBe("went on\n0\n");
      expect(listing).toEqual(["added f: fifo 644 0:0"]);
    });

    it("lets no device be opened that the step made", async () => {
      const { stdout } = await run("mknod /n c 1 3 2>/dev/null; cat /n 2>/dev/null && echo opened; cat /dev/null && echo fine");
      expect(stdout).toBe("fine\n");
    });

    it("keeps its mount targets out of the layer, whatever the image has there", async () => {
      const bare = fixtureRoot(busyboxEntries().filter(({ path }) => !/^(dev|proc|sys|etc|etc\/.*)$/.test(path)));
      expect((await run("cat /etc/hosts; test -c /dev/null && test -d /proc/1 && test -d /sys/class && echo complete", {}, bare)).stdout).toContain(
        "complete\n",
      );
      expect((await run("true", {}, bare)).listing).toEqual([]);
      expect((await run("echo x > /etc/mine; chmod 600 /etc/resolv.conf", {}, bare)).listing).toEqual([
        "added etc: directory 755 0:0",
        'added etc/mine: file 644 0:0 "x\\n"',
      ]);
    });

    it("is not led out of the root by symlinks where mounts go", async () => {
      const canary = join(home, "canary");
      writeFileSync(canary, "untouched");
      const hostile = fixtureRoot([
        ...busyboxEntries().filter(({ path }) => !["dev", "proc", "sys"].includes(path)),
        { path: "dev", type: "symlink", target: "../../../../../../../../etc" },
        { path: "proc", type: "symlink", target: "/etc" },
        { path: "sys", type: "symlink", target: home },
        { path: "etc/resolv.conf", type: "symlink", target: "../run/resolve/stub.conf" },
        { path: "etc/hosts", type: "symlink", target: `../../../../../..${canary}` },
      ]);
      const { stdout, listing } = await run(
        "head -1 /etc/hosts; test -c /dev/null && test -e /proc/self/status && test -d /sys/class && echo real; readlink /etc/resolv.conf; ls -d /run/resolve",
        {},
        hostile,
      );
      expect(stdout).toBe("127.0.0.1\tlocalhost buildkitsandbox\nreal\n../run/resolve/stub.conf\n/run/resolve\n");
      expect(listing).toEqual([]);
    });

    it("cannot leave its root, or see or write the host's", async () => {
      const { stdout } = await run(
        "mkdir /x; chroot /x /bin/true 2>/dev/null; ls / | grep -c varve; echo 1 > /proc/sys/kernel/hostname; echo b > /proc/sysrq-trigger; mount -t tmpfs none /mnt; umount /proc/sys; ps | wc -l; mkdir /sys/fs/cgroup/x; true",
      );
      expect(stdout).toMatch(/^0\n\d\n$/);
    });

    it("cannot climb out of its root by chroot, nor mount, unmount or join a namespace", async () => {
      const canary = join(home, "outside");
      writeFileSync(canary, "reached");
      if (one) chownSync(canary, ORDINARY, ORDINARY);
      // the image brings a launcher of its own, which makes any system calls
      const attack = createProgram(launcherArch());
      const { results, send } = reportExecutions(attack, 6);
      const call = (i: number, name: SystemCall, ...args: Parameters<typeof attack.call> extends readonly [unknown, unknown, ...infer A] ? A : never): void =>
        attack.call({ label: name, onError: "ignore", result: results[i] ?? { address: 0 } }, name, ...args);
      call(0, "openat", -100, attack.string("/"), 0);
      call(1, "mkdirat", -100, attack.string("/cell"), 0o755);
      call(1, "chroot", attack.string("/cell"));
      call(2, "fchdir", 4);
      for (let i = 0; i < 40; i++) call(2, "chdir", attack.string(".."));
      call(2, "chroot", attack.string("."));
      call(2, "openat", -100, attack.string(canary), 0);
      call(3, "mount", attack.string("tmpfs"), attack.string("/"), attack.string("tmpfs"), 0, 0);
      call(4, "umount2", attack.string("/proc"), 2);
      call(5, "setns", 4, 0);
      send();
      const hostile = fixtureRoot([
        ...busyboxEntries(),
        { path: "attack", mode: 0o755, content: launcherExecutable(launcherArch()) },
        { path: "program", content: attack.finish().bytes },
      ]);
      const { stdout } = await run("/attack 3>/tmp/report 4</program; od -An -v -t d8 /tmp/report", {}, hostile);
      const values = stdout.trim().split(/\s+/).map(Number).slice(2);
      // opened, chroot as Docker allows, and then: no such file, not permitted, not permitted, no namespace
      expect(values).toEqual([4, 0, -2, -1, -1, -22]);
    });

    it("gives an insecure step what its place has", async () => {
      const script = "mount -t tmpfs none /mnt 2>/dev/null || (mkdir /mnt && mount -t tmpfs none /mnt); grep -c ' /mnt ' /proc/self/mounts";
      expect((await run(script)).stdout).toBe("0\n");
      expect((await run(script, { insecure: true })).stdout).toBe("1\n");
    });

    it("runs exec form, by PATH and by path, and tells what cannot be executed", async () => {
      const named = await run("", { args: ["echo", "a  b", "$HOME"], env: ["PATH=/nowhere:/bin"] });
      expect(named.stdout).toBe("a  b $HOME\n");
      await expect(run("", { args: ["nothing-of-that-name"] })).rejects.toMatchObject({
        code: "SANDBOX_COMMAND_NOT_FOUND",
        message: '"nothing-of-that-name" is not in the root filesystem',
      });
      await expect(run("", { args: ["/etc/passwd"] })).rejects.toMatchObject({
        code: "SANDBOX_COMMAND_NOT_FOUND",
        message: expect.stringContaining("EACCES") as string,
      });
      await expect(run("", { args: ["a\0b"] })).rejects.toMatchObject({ code: "SANDBOX_INVALID_PROCESS" });
      await expect(run("", { cwd: "/etc/passwd/x" })).rejects.toMatchObject({
        code: "SANDBOX_SETUP_FAILED",
        message: expect.stringContaining("/etc/passwd/x") as string,
      });
    });

    it("reports the signal that ended a process", async () => {
      // pid 1 is spared of signals it sends itself, but not of its limits
      expect(await run("ulimit -t 1; while :; do :; done")).toMatchObject({ exitCode: 137, signal: "SIGKILL" });
    });

    it("delivers every byte of both streams to a slow reader, in order", async () => {
      const sizes = { stdout: 0, stderr: 0 };
      let concurrent = 0;
      await run("(seq 1 200000) & (seq 1 200000 >&2) & wait", {
        onOutput: async (stream, chunk) => {
          expect(++concurrent).toBe(1);
          sizes[stream] += chunk.length;
          await sleep(1);
          concurrent--;
        },
      });
      expect(sizes).toEqual({ stdout: 1288895, stderr: 1288895 });
    });

    it("ends with all processes of the step dead", async () => {
      const marker = `${9_000_000 + Math.floor(Math.random() * 1_000_000)}`;
      await run(`sleep ${marker} & setsid sleep ${marker} > /dev/null 2>&1 & echo on`);
      expect(processesWith(marker)).toBe(0);
    });

    it("kills a step that is cancelled", async () => {
      const marker = `${8_000_000 + Math.floor(Math.random() * 1_000_000)}`;
      const abort = new AbortController();
      const running = run(`sleep ${marker} & echo on; wait`, { signal: abort.signal, onOutput: () => abort.abort(new Error("enough")) });
      await expect(running).rejects.toThrow("enough");
      for (let i = 0; i < 200 && processesWith(marker) > 0; i++) await sleep(10);
      expect(processesWith(marker)).toBe(0);
    });

    it("separates the network when asked", async () => {
      const { stdout } = await run("cd /sys/class/net; ls; cat /sys/class/net/lo/flags", { network: "none" });
      expect(stdout).toBe("lo\n0x9\n");
    });

    it("sets limits and the size of shared memory", async () => {
      const { stdout } = await run("ulimit -n; df -k /dev/shm | tail -1 | tr -s ' ' | cut -d' ' -f2", {
        ulimits: [{ name: "nofile", soft: 99, hard: 100 }],
        shmSize: 1 << 20,
      });
      expect(stdout).toBe("99\n1024\n");
      await expect(run("true", { ulimits: [{ name: "shoe", soft: 1, hard: 1 }] })).rejects.toMatchObject({ code: "SANDBOX_UNKNOWN_LIMIT" });
    });

    it("mounts trees and files read-only, or writable and thrown away", async () => {
      const tree = treeOf({ "src/a": "A", "src/sub/b": "B", other: "no" });
      const dir = { kind: "bind", target: "/mnt/in", readonly: true, tree, reader: NO_READER, source: "/src" } as const;
      expect(await run("cd /mnt/in; find . | sort; cat a sub/b; echo x > a || echo refused", { mounts: [dir] })).toMatchObject({
        stdout: ".\n./a\n./sub\n./sub/b\nABrefused\n",
        listing: [],
      });
      expect(await run("cd /mnt/in; echo x > a; echo y > c; cat a c", { mounts: [{ ...dir, readonly: false }] })).toMatchObject({
        stdout: "x\ny\n",
        listing: [],
      });
      expect(await run("cat /etc/one; ls /mnt 2>/dev/null", { mounts: [{ ...dir, source: "src/a", target: "/etc/one" }] })).toMatchObject({
        stdout: "A",
        listing: [],
      });
      await expect(run("true", { mounts: [{ ...dir, source: "/none" }] })).rejects.toMatchObject({
        code: "SNAPSHOT_MOUNT_TARGET",
        message: expect.stringContaining("/none") as string,
      });
      await expect(run("true", { mounts: [{ ...dir, target: "/etc/passwd" }] })).rejects.toMatchObject({ code: "SNAPSHOT_MOUNT_TARGET" });
      await expect(run("true", { mounts: [{ ...dir, target: "/proc/x" }] })).rejects.toMatchObject({ code: "SNAPSHOT_MOUNT_TARGET" });
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
      const { stdout, listing } = await run(
        "cat /app/package.json /app/cache/secret; echo z > /app/cache/kept; touch /app/no 2>/dev/null || echo ro; echo x > /app/cache/secret 2>/dev/null || echo ro; /dev/pipes/EOF",
        { mounts },
      );
      expect(stdout).toBe("{}sro\nro\npiped\n");
      expect(listing).toEqual([]);
      expect(
        (
          await run("cat /c/kept; test -s /c/secret && echo leaked", {
            mounts: [{ kind: "cache", target: "/c", id: "inner", sharing: "shared", readonly: false, mode: 0o755, uid: 0, gid: 0 }],
          })
        ).stdout,
      ).toBe("z\n");
    });

    it("does not follow a symlink that a cache holds where another mount goes", async () => {
      const cache = { kind: "cache", target: "/c", id: "trap", sharing: "shared", readonly: false, mode: 0o755, uid: 0, gid: 0 } as const;
      await run(`ln -s ${home} /c/in`, { mounts: [cache] });
      await expect(run("ls /c/in", { mounts: [cache, { kind: "tmpfs", target: "/c/in/deep" }] })).rejects.toMatchObject({ code: "SANDBOX_SETUP_FAILED" });
    });

    it("keeps caches apart by id, fills new ones, and gives private users their own", async () => {
      const cache = { kind: "cache", target: "/c", id: "one", sharing: "private", readonly: false, mode: 0o750, uid: 0, gid: 0 } as const;
      expect((await run("stat -c %a /c; echo 1 > /c/f", { mounts: [cache] })).stdout).toBe("750\n");
      expect((await run("cat /c/f; ls /d", { mounts: [cache, { ...cache, id: "two", target: "/d" }] })).stdout).toBe("1\n");
      expect((await run("ls /c; ls /d", { mounts: [cache, { ...cache, target: "/d" }] })).stdout).toBe("f\n");
      expect((await run("touch /c/x || echo ro", { mounts: [{ ...cache, readonly: true }] })).stdout).toBe("ro\n");
      const from = { tree: treeOf({ "seed/s": "S" }), reader: NO_READER, source: "/seed" };
      expect((await run("cat /c/s; rm /c/s", { mounts: [{ ...cache, id: "filled", from }] })).stdout).toBe("S");
      expect((await run("ls /c", { mounts: [{ ...cache, id: "filled", from }] })).stdout).toBe("");
    });

    it("lets a locked cache wait for its other user", async () => {
      const cache = { kind: "cache", target: "/c", id: "locked", sharing: "locked", readonly: false, mode: 0o755, uid: 0, gid: 0 } as const;
      const script = "for i in 1 2 3 4 5; do echo $1 >> /c/log; sleep 0.02; done";
      await Promise.all(["a", "b", "c"].map((name) => run("", { mounts: [cache], args: ["/bin/sh", "-c", script, "sh", name] })));
      const { stdout } = await run("uniq -c /c/log | tr -s ' '", { mounts: [cache] });
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
      const { stdout, listing } = await run("stat -c '%a %u:%g' /run/secrets/token; cat /run/secrets/token", { mounts });
      expect(stdout).toBe(`440 ${one ? "0:0" : "7:8"}\nhunter2`);
      expect(listing).toEqual([]);
    });

    it("leads a step to an agent's socket", async () => {
      const path = join(home, "agent");
      const server = createServer((client) => client.end("from the agent"));
      await new Promise<void>((resolve) => server.listen(path, resolve));
      if (one) chownSync(path, ORDINARY, ORDINARY);
      const { stdout, exitCode } = await run("stat -c '%F %a' /run/agent; nc local:/run/agent < /dev/null 2>/dev/null || true", {
        mounts: [{ kind: "ssh", target: "/run/agent", agentSocket: path, mode: 0o600, uid: 0, gid: 0 }],
      });
      server.close();
      expect({ stdout, exitCode }).toMatchObject({ stdout: expect.stringContaining("socket 600\n") as string, exitCode: 0 });
    });

    it("keeps a step's changes for the next step", async () => {
      const diffID = `sha256:${"a".repeat(64)}` as DiffID;
      let next: FixtureRoot;
      {
        await using first = await runner.run(shellStep(root, "echo 1 > /one; rm /etc/group; rm -rf /home; mkdir /home"));
        const { changes } = await first.changes();
        const builder = createTreeBuilder(root.tree);
        for (const change of changes)
          if (change.kind === "deleted") builder.remove(change.path);
          else builder.set(change.entry);
        next = { tree: builder.finish(), layers: [...root.layers, { diffID, openTar: () => Promise.reject(new Error("is kept")) }] };
        await first.keep(diffID);
      }
      const second = await run("cat /one; ls /etc; echo 2 > /two", {}, next);
      expect(second.stdout).toBe("1\nhosts\npasswd\nresolv.conf\n");
      expect(second.listing).toEqual(['added two: file 644 0:0 "2\\n"']);
    });

    it("runs on nothing but a program", async () => {
      const busybox = busyboxEntries().find(({ path }) => path === "bin/busybox");
      const tiny = fixtureRoot(busybox === undefined ? [] : [{ path: "bin", type: "directory" }, busybox]);
      expect((await run("", { args: ["/bin/busybox", "ls", "/"] }, tiny)).stdout).toBe("bin\ndev\netc\nproc\nsys\n");
    });

    it("runs several steps at once", async () => {
      const outputs = await Promise.all([1, 2, 3, 4].map(async (n) => (await run(`echo ${n} > /n; sleep 0.1; cat /n`)).stdout));
      expect(outputs).toEqual(["1\n", "2\n", "3\n", "4\n"]);
    });
  });
}

function shutDoor(): Program {
  const program = createProgram(launcherArch());
  program.call("open the door", "chdir", program.string("/nonexistent/door"));
  return program.finish();
}

describe.skipIf(!available)("a data directory that overlays cannot be written to", () => {
  it("keeps changes in memory, and snapshots without marks of deleted files", async () => {
    const home = mkdtempSync(join(tmpdir(), "varve-run-"));
    for (const name of ["snapshots", "l", "u", "w"]) mkdirSync(`${home}/${name}`);
    // as in a container: its root is an overlay itself; mounted where only the helper sees it
    const mountFirst = 'mount -t overlay overlay -o "lowerdir=$0/l,upperdir=$0/u,workdir=$0/w" "$0/snapshots" && exec "$@"';
    const inContainer: SandboxDriver = {
      ...namespaceDriver,
      entries: () => [
        { description: "inside", program: (argv, env) => enterProgram({ arch: launcherArch(), argv: ["/bin/sh", "-c", mountFirst, home, ...argv], env }) },
      ],
    };
    try {
      await using runner = createRunnerWith([inContainer], { snapshots: `${home}/snapshots`, cacheMounts: `${home}/mounts`, sandbox: "auto" });
      const root = fixtureRoot(busyboxEntries());
      await using first = await runner.run(shellStep(root, "rm /etc/group; echo 1 > /one"));
      expect(first.losses).toEqual([expect.stringContaining("kept in memory") as string]);
      const changes = await first.changes();
      const { stream, finished } = writeLayerTar(withParents(root.tree, changes), first.reader);
      const tar = await collectBytes(stream, 1 << 20, () => new Error("large"));
      const { diffID, index } = await finished;
      await first.keep(diffID);
      const next = {
        tree: mergeLayer(root.tree, index),
        layers: [...root.layers, { diffID, openTar: () => Promise.resolve(streamOf(tar)), index: () => Promise.resolve(index) }],
      };
      let seen = "";
      await using second = await runner.run(
        shellStep(next, "cat /one; ls /etc", { onOutput: (_stream, chunk) => void (seen += Buffer.from(chunk).toString()) }),
      );
      expect(seen).toBe("1\nhosts\npasswd\nresolv.conf\n");
      expect((await second.changes()).changes).toEqual([]);
    } finally {
      rmSync(home, { recursive: true, force: true });
    }
  });
});

describe.skipIf(!available)("a stack of very many layers", () => {
  it("is unpacked as one", async () => {
    const home = mkdtempSync(join(tmpdir(), "varve-run-"));
    try {
      await using runner = createRunnerWith([asRoot], { snapshots: `${home}/snapshots`, cacheMounts: `${home}/mounts`, sandbox: "auto" });
      const base = fixtureRoot(busyboxEntries());
      const builder = createTreeBuilder(base.tree);
      const layers = [...base.layers];
      for (let i = 0; i < 400; i++) {
        const layer = fixtureRoot([{ path: `f${i}`, content: `${i}` }]);
        const entry = layer.tree.lookup(`f${i}` as BytePath);
        if (entry !== undefined) builder.set(entry);
        layers.push(...layer.layers);
      }
      let seen = "";
      await using outcome = await runner.run(
        shellStep({ tree: builder.finish(), layers }, "cat /f0 /f399; ls /f* | wc -l", {
          onOutput: (_stream, chunk) => void (seen += Buffer.from(chunk).toString()),
        }),
      );
      expect(seen).toBe("0399400\n");
      expect((await outcome.changes()).changes).toEqual([]);
    } finally {
      rmSync(home, { recursive: true, force: true });
    }
  });
});

describe("createRunner", () => {
  it("names the sandboxes there are when asked for another", async () => {
    await using runner = createRunnerWith([namespaceDriver], { snapshots: "/nonexistent", cacheMounts: "/nonexistent", sandbox: "cloud" });
    await expect(runner.rung()).rejects.toMatchObject({ code: "SANDBOX_UNAVAILABLE", hint: "one of auto, namespace" });
  });
  it("tells why no way into a sandbox works", async () => {
    const broken: SandboxDriver = { ...namespaceDriver, entries: () => [{ description: "by a door that is shut", program: shutDoor }] };
    const home = mkdtempSync(join(tmpdir(), "varve-run-"));
    try {
      await using runner = createRunnerWith([broken], { snapshots: `${home}/snapshots`, cacheMounts: `${home}/mounts`, sandbox: "auto" });
      await expect(runner.rung()).rejects.toMatchObject({ code: "SANDBOX_UNAVAILABLE", details: ["by a door that is shut: cannot open the door: ENOENT"] });
    } finally {
      rmSync(home, { recursive: true });
    }
  });
});

async function describeChange(change: Change, outcome: RunOutcome): Promise<string> {
  if (change.kind === "deleted") return `deleted ${change.path}`;
  const { entry } = change;
  const end =
    entry.type === "symlink"
      ? ` -> ${entry.linkTarget ?? ""}`
      : entry.device !== undefined
        ? ` ${entry.device.major},${entry.device.minor}`
        : entry.content !== undefined && entry.size < 1000
          ? ` ${JSON.stringify(Buffer.from(await collectBytes(await outcome.reader.open(entry.content), 1000, () => new Error("large"))).toString())}`
          : "";
  return `${change.kind} ${change.path}: ${entry.type} ${entry.mode.toString(8)} ${entry.uid}:${entry.gid}${end}`;
}

/** Lines by their path. */
function order(a: string, b: string): number {
  const path = (line: string): string => (line.split(" ")[1] ?? "").replace(/:$/, "").replaceAll("/", "\0");
  return path(a) < path(b) ? -1 : 1;
}

function processesWith(argument: string): number {
  return readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && commandOf(pid).includes(argument)).length;
}
function commandOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch {
    return [];
  }
}

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
