import { readdirSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import type { BytePath } from "@varve/bytes";
import { createTreeBuilder } from "@varve/layer";
import type { DiffID } from "@varve/oci";
import { expect, it } from "vitest";
import { busyboxEntries, fixtureRoot, type FixtureRoot, shellStep } from "./runner.fixture.ts";
import { describeRungs, type Rung } from "./rung.fixture.ts";
import type { RunStep } from "./runner.ts";

describeRungs("a step", (rung) => {
  const { one, isolated } = rung;

  it("gives a process exactly its environment, directory, umask, host name and closed stdin", async () => {
    const { stdout, stderr, exitCode } = await rung.run("pwd; umask; hostname; cat; echo err >&2; exit 7", { cwd: "/new/place" });
    expect(stdout).toBe(`/new/place\n0022\n${isolated ? "buildkitsandbox" : hostname()}\n`);
    expect((await rung.run("", { args: ["env"], env: ["PATH=/bin:/usr/bin", "A=b c", "ü=ö", "=x", "B"] })).stdout).toBe(
      "PATH=/bin:/usr/bin\nA=b c\nü=ö\n=x\nB\n",
    );
    expect(stderr).toBe("err\n");
    expect(exitCode).toBe(7);
  });

  it("refuses a working directory that is longer than a path, and enters one that is deep", async () => {
    await expect(rung.run("true", { cwd: "/a".repeat(3000) })).rejects.toMatchObject({ code: "SANDBOX_INVALID_PROCESS" });
    expect((await rung.run("pwd | wc -c; rm -rf /a", { cwd: "/a".repeat(300) })).stdout).toBe("601\n");
  });

  it("takes user and group", async () => {
    expect((await rung.run("id -u; id -g")).stdout).toBe("0\n0\n");
    const other = await rung.run("id -u; id -g; id -G; touch /tmp/mine; touch /etc/not", { user: { uid: 1234, gid: 55, groups: [66, 77] } });
    expect(other.stdout).toBe(`1234\n55\n${one ? "55" : "55 66 77"}\n`);
    expect(other.listing).toContain('added tmp/mine: file 644 1234:55 ""');
    if (!one) expect(other.stderr).toContain("/etc/not: Permission denied");
  });

  it.runIf(rung.rung !== "proot")("drops capabilities to Docker's default set", async () => {
    const ofStep = async (more: Partial<RunStep>): Promise<string[]> => {
      const marker = `${7_000_000 + Math.floor(Math.random() * 1_000_000)}`;
      // read from outside: not every rung has a /proc
      let status = "";
      await rung.run("", {
        args: ["/bin/sh", "-c", "echo ready; sleep 0.5; true", "sh", marker],
        onOutput: () => void (status ||= readFileSync(`/proc/${processesWith(marker)[0] ?? ""}/status`, "utf8")),
        ...more,
      });
      return status.split("\n").filter((line) => /^(Cap|NoNewPrivs)/.test(line));
    };
    expect(await ofStep({})).toEqual([
      "CapInh:\t0000000000000000",
      "CapPrm:\t00000000a80425fb",
      "CapEff:\t00000000a80425fb",
      "CapBnd:\t00000000a80425fb",
      "CapAmb:\t0000000000000000",
      `NoNewPrivs:\t${rung.rung === "bwrap" ? 1 : 0}`,
    ]);
    expect(await ofStep({ user: { uid: 1234, gid: 55, groups: [] } })).toContain("CapEff:\t0000000000000000");
  });

  it("reads a step's own changes only, and only while the step's root is there", async () => {
    const outcome = await rung.runner.run(shellStep(rung.root, "echo text > /made"));
    const [change] = (await outcome.changes()).changes;
    const content = change?.kind === "added" ? change.entry.content : undefined;
    if (content?.kind !== "snapshot") throw new Error("a changed file's content is in the snapshot");
    const elsewhere = { ...content, snapshot: "another" };
    await expect(outcome.reader.open(elsewhere)).rejects.toMatchObject({ code: "SNAPSHOT_READ_FAILED" });
    await outcome[Symbol.asyncDispose]();
    await expect(outcome.changes()).rejects.toMatchObject({ code: "SNAPSHOT_READ_FAILED" });
  });

  it("finds every kind of change, and none where nothing differs", async () => {
    const { listing, exitCode, stderr } = await rung.run(
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
        ...rung.root.tree.list("usr/bin" as BytePath).map((name) => `deleted usr/bin/${name}`),
        'added usr/bin/x: file 644 0:0 "x\\n"',
        "added usr/moved: directory 755 0:0",
        "deleted usr/sbin",
      ].toSorted((a, b) => order(a, b)),
    );
    const moved = listing.filter((line) => line.includes("usr/moved/"));
    expect(moved).toHaveLength(rung.root.tree.list("usr/sbin" as BytePath).length);
  });

  it("tells hardlinks by their nodes", async () => {
    const { changes, listing } = await rung.run("echo 1 > /a; ln /a /b; echo 1 > /c; ln /etc/passwd /d");
    const node = (path: string): number | undefined => changes.flatMap((c) => (c.path === path && c.kind !== "deleted" ? [c.entry.node] : []))[0];
    // as in BuildKit's layers, a file of an earlier one comes along with its new name
    expect(listing.map((line) => line.split(":")[0])).toEqual(["added a", "added b", "added c", "added d", "modified etc/passwd"]);
    expect(node("d")).toBe(node("etc/passwd"));
    expect(node("a")).toBe(node("b"));
    expect(node("c")).not.toBe(node("a"));
  });

  it.skipIf(one)("keeps owners", async () => {
    const { listing } = await rung.run("mkdir /o && touch /o/f && chown 5:6 /o/f && chown -h 9:9 /bin/ls");
    expect(listing).toEqual(["modified bin/ls: symlink 777 9:9 -> /bin/busybox", "added o: directory 755 0:0", 'added o/f: file 644 5:6 ""']);
  });

  it.runIf(rung.ids === "real")("keeps devices", async () => {
    const { listing } = await rung.run("mkdir /o && mknod /o/c c 1 3 && mknod /o/b b 7 300");
    expect(listing).toEqual(["added o: directory 755 0:0", "added o/b: block 644 0:0 7,300", "added o/c: char 644 0:0 1,3"]);
  });

  it.runIf(one)("answers calls for other ids with success, since package installations make them", async () => {
    const { stdout, listing } = await rung.run(
      "chown 5:6 /etc/passwd && mknod /n c 1 3 && su nobody -s /bin/sh -c 'echo went on'; mkfifo /f; stat -c %u /etc/passwd",
    );
    expect(stdout).toBe("went on\n0\n");
    expect(listing).toEqual(["added f: fifo 644 0:0"]);
  });

  it("names the set-id programs that a step made, where their owners are not known", async () => {
    await using outcome = await rung.runner.run(
      shellStep(rung.root, "mkdir /o; chmod 2775 /o; echo > /o/p; chown 5:6 /o/p; chmod 4711 /o/p; echo > /o/q; chmod 2755 /o/q"),
    );
    const paths = Array.from((await outcome.changes()).changes, ({ path }) => path);
    expect(paths).toEqual(["o", "o/p", "o/q"]);
    const found = outcome.losses.filter((loss) => loss.includes("set-id programs"));
    expect(found).toEqual(one ? ["set-id programs act for 0:0, and grant more than was asked if that was another owner's: /o/p /o/q"] : []);
  });

  it("runs exec form, by PATH and by path, and tells what cannot be executed", async () => {
    const named = await rung.run("", { args: ["echo", "a  b", "$HOME"], env: ["PATH=/nowhere:/bin"] });
    expect(named.stdout).toBe("a  b $HOME\n");
    await expect(rung.run("", { args: ["nothing-of-that-name"] })).rejects.toMatchObject({
      code: "SANDBOX_COMMAND_NOT_FOUND",
      message: '"nothing-of-that-name" is not in the root filesystem',
    });
    await expect(rung.run("", { args: ["/etc/passwd"] })).rejects.toMatchObject({
      code: "SANDBOX_COMMAND_NOT_FOUND",
      message: expect.stringContaining("EACCES") as string,
    });
    await expect(rung.run("", { args: ["a\0b"] })).rejects.toMatchObject({ code: "SANDBOX_INVALID_PROCESS" });
    await expect(rung.run("", { cwd: "/etc/passwd/x" })).rejects.toMatchObject({
      code: "SANDBOX_SETUP_FAILED",
      message: expect.stringContaining("/etc/passwd/x") as string,
    });
  });

  it("reports the signal that ended a process", async () => {
    // pid 1 is spared of signals it sends itself, but not of its limits
    expect(await rung.run("ulimit -t 1; while :; do :; done")).toMatchObject({ exitCode: 137, signal: "SIGKILL", stderr: "" });
  });

  it("delivers every byte of both streams to a slow reader, in order", async () => {
    const sizes = { stdout: 0, stderr: 0 };
    let concurrent = 0;
    await rung.run("(seq 1 200000) & (seq 1 200000 >&2) & wait", {
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
    await rung.run(`sleep ${marker} & setsid sleep ${marker} > /dev/null 2>&1 & echo on`);
    expect(processesWith(marker)).toEqual([]);
  });

  it("kills a step that is cancelled", async () => {
    const marker = `${8_000_000 + Math.floor(Math.random() * 1_000_000)}`;
    const abort = new AbortController();
    const running = rung.run(`sleep ${marker} & echo on; wait`, { signal: abort.signal, onOutput: () => abort.abort(new Error("enough")) });
    await expect(running).rejects.toThrow("enough");
    for (let i = 0; i < 200 && processesWith(marker).length > 0; i++) await sleep(10);
    expect(processesWith(marker)).toEqual([]);
  });

  it("sets limits and the size of shared memory", async () => {
    const { stdout } = await rung.run("ulimit -n; df -k /dev/shm | tail -1 | tr -s ' ' | cut -d' ' -f2", {
      ulimits: [{ name: "nofile", soft: 99, hard: 100 }],
      shmSize: 1 << 20,
    });
    expect(stdout).toContain(isolated ? "99\n1024\n" : "99\n");
    await expect(rung.run("true", { ulimits: [{ name: "shoe", soft: 1, hard: 1 }] })).rejects.toMatchObject({ code: "SANDBOX_UNKNOWN_LIMIT" });
  });

  it("keeps a step's changes for the next step", async () => {
    const next = await advance(rung, "a", "echo 1 > /one; rm /etc/group; rm -rf /home; mkdir /home");
    const second = await rung.run("cat /one; ls /etc; echo 2 > /two", {}, next);
    expect(second.stdout).toBe("1\nhosts\npasswd\nresolv.conf\n");
    expect(second.listing).toEqual(['added two: file 644 0:0 "2\\n"']);
  });

  it("changes one name of an earlier step's file, and not the others", async () => {
    const linked = "mkdir /w; echo a > /w/a; for name in b c d; do ln /w/a /w/$name; done; chmod 555 /w";
    expect((await rung.run("ls -l /w > /dev/null", {}, await advance(rung, "b", linked))).listing).toEqual([]);
    const again = await advance(rung, "c", linked);
    const { listing } = await rung.run("echo more >> /w/b; chmod 4755 /w/c", {}, again);
    expect(listing).toEqual(['modified w/b: file 644 0:0 "a\\nmore\\n"', 'modified w/c: file 4755 0:0 "a\\n"']);
  });

  it("runs on nothing but a program", async () => {
    const busybox = busyboxEntries().find(({ path }) => path === "bin/busybox");
    const tiny = fixtureRoot(busybox === undefined ? [] : [{ path: "bin", type: "directory" }, busybox]);
    expect((await rung.run("", { args: ["/bin/busybox", "ls", "/"] }, tiny)).stdout).toBe("bin\ndev\netc\nproc\nsys\n");
  });

  it("runs several steps at once", async () => {
    const outputs = await Promise.all([1, 2, 3, 4].map(async (n) => (await rung.run(`echo ${n} > /n; sleep 0.1; cat /n`)).stdout));
    expect(outputs).toEqual(["1\n", "2\n", "3\n", "4\n"]);
  });
});

/** Lines by their path. */
function order(a: string, b: string): number {
  const path = (line: string): string => (line.split(" ")[1] ?? "").replace(/:$/, "").replaceAll("/", "\0");
  return path(a) < path(b) ? -1 : 1;
}

function processesWith(argument: string): string[] {
  return readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && commandOf(pid).includes(argument));
}
function commandOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch {
    return [];
  }
}

/** Runs a step and keeps what it changed as the layer named by a digit. */
async function advance(rung: Rung, digit: string, script: string): Promise<FixtureRoot> {
  const diffID = `sha256:${digit.repeat(64)}` as DiffID;
  await using first = await rung.runner.run(shellStep(rung.root, script));
  const { changes } = await first.changes();
  const builder = createTreeBuilder(rung.root.tree);
  for (const change of changes)
    if (change.kind === "deleted") builder.remove(change.path);
    else builder.set(change.entry);
  await first.keep(diffID);
  return { tree: builder.finish(), layers: [...rung.root.layers, { diffID, openTar: () => Promise.reject(new Error("is kept")) }] };
}
