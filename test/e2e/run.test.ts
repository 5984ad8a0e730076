import { execFileSync } from "node:child_process";
import { readdirSync, statSync, writeFileSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describeWithTools } from "@varve/testkit";
import { afterAll, beforeAll, expect, it } from "vitest";
import { signalOnceAsleep, sleepers } from "./sleepers.ts";
import { createWorkspace, makeBusyboxRoot, runProgram, VARVE, type Workspace } from "./varve.ts";

describeWithTools(["busybox", "unshare"], "RUN", () => {
  let space: Workspace;
  beforeAll(async () => {
    space = await createWorkspace();
    await makeBusyboxRoot(join(space.root, "base/root"));
    await space.files("base", { Dockerfile: 'FROM scratch\nCOPY root/ /\nENV PATH=/bin:/sbin\nCMD ["sh"]\n' });
    await space.ok(["build", "-t", "bb:1", "base"]);
  });
  afterAll(async () => {
    await space?.[Symbol.asyncDispose]();
  });

  it("says so where too few files may be open to start a step", async () => {
    await space.files("few", { Dockerfile: "FROM bb:1\nRUN echo few\n" });
    // the launcher's descriptor is 24 or more
    const { stderr, code } = await runProgram("/bin/sh", ["-c", 'ulimit -n 30 && exec "$@"', "sh", process.execPath, VARVE, "build", "few"], {
      cwd: space.root,
      env: { VARVE_HOME: space.home },
    });
    expect(code).toBe(1);
    // what comes first to its end: a file of the store, or a process
    expect(stderr).toMatch(/too many (?:open files|files are open)/);
    expect(stderr).not.toContain("    at ");
  });

  it("takes what V8 compiled of its helper from the last build, and compiles it where that was spoilt", async () => {
    const folder = join(space.home, "compiled");
    const build = async (text: string): Promise<Map<string, number>> => {
      await space.files("kept", { Dockerfile: `FROM bb:1\nRUN echo ${text}\n` });
      await space.ok(["build", "kept"]);
      return new Map(readdirSync(folder).map((name) => [name, statSync(join(folder, name)).ino]));
    };
    const first = await build("one");
    // the program's and the helper's
    expect(first.size).toBeGreaterThan(1);
    expect(await build("two")).toEqual(first);
    for (const name of first.keys()) writeFileSync(join(folder, name), "spoilt");
    const others = await build("three");
    for (const [name, inode] of first) expect([name, others.get(name) === inode]).toEqual([name, false]);
  });

  it("works on any number of layers", async () => {
    const steps = Array.from({ length: 40 }, (_, i) => `RUN echo ${i} > /f${i} && test "$(ls /f* | wc -l)" = ${i + 1}`);
    await space.files("many", { Dockerfile: `FROM bb:1\n${steps.join("\n")}\n` });
    await space.ok(["build", "-t", "many:1", "many"]);
    const { stdout } = await space.ok(["run", "many:1", "sh", "-c", "cat /f0 /f22 /f39; ls /f* | wc -l"]);
    expect(stdout).toBe("0\n22\n39\n40\n");
  });

  it("streams every line of a long output, and both streams", async () => {
    await space.files("loud", { Dockerfile: "FROM bb:1\nRUN seq 1 200000 && echo done >&2\n" });
    const { stderr } = await space.ok(["build", "--progress", "plain", "loud"]);
    const lines = stderr.split("\n").filter((line) => /^#\d+ \d+\.\d+ \d+$/.test(line));
    expect(lines).toHaveLength(200_000);
    expect(lines.at(-1)).toMatch(/ 200000$/);
    expect(stderr).toMatch(/^#\d+ [\d.]+ done$/m);
  });

  it("gives the step outputs it can open again, whoever it runs as", async () => {
    const dockerfile =
      "FROM bb:1\nRUN echo one > /dev/stdout && echo two | tee /dev/stderr\nUSER 1000\nRUN echo three > /dev/stderr && echo four >> /proc/self/fd/1\n";
    await space.files("again", { Dockerfile: dockerfile });
    const { stderr } = await space.ok(["build", "--progress", "plain", "again"]);
    for (const word of ["one", "two", "three", "four"]) expect(stderr).toMatch(new RegExp(`^#\\d+ [\\d.]+ ${word}$`, "m"));
  });

  it("lets no device be opened that the step made, in /dev or elsewhere", async () => {
    const open = (path: string): string => `(! mknod ${path} c 1 3 || ! (echo y > ${path}))`;
    await space.files("devices", {
      Dockerfile: `FROM bb:1\nRUN ${open("/dev/n")} && ${open("/tmp/n")} && ${open("/dev/shm/n")} && echo y > /dev/null && head -c 4 /dev/urandom | wc -c\n`,
    });
    await space.ok(["build", "devices"]);
  });

  it("runs a step once that several stages, or several builds at the same time, have", async () => {
    const stages = ["a", "b"].map((name) => `FROM bb:1 AS ${name}\nRUN echo ran once && sleep 2 && head -c 8 /dev/urandom > /random\n`).join("");
    await space.files("equal", { Dockerfile: `${stages}FROM scratch\nCOPY --from=a /random /a\nCOPY --from=b /random /b\n` });
    const builds = await Promise.all(["one", "two"].map((out) => space.ok(["build", "--progress", "plain", "-o", out, "equal"])));
    expect(builds.flatMap(({ stderr }) => stderr.match(/^#\d+ [\d.]+ ran once$/gm) ?? [])).toHaveLength(1);
    const contents = await Promise.all(["one/a", "one/b", "two/a", "two/b"].map((path) => readFile(join(space.root, path), "hex")));
    expect(new Set(contents).size).toBe(1);
  });

  it("has the host name and the namespace of caches that build arguments say", async () => {
    await space.files("named", {
      Dockerfile: 'FROM bb:1\nRUN --mount=type=cache,target=/c echo "$(hostname) $(ls /c)" > /out; touch /c/seen\nFROM scratch\nCOPY --from=0 /out /\n',
    });
    const out = async (...args: readonly string[]): Promise<string> => {
      const given = args.flatMap((arg) => ["--build-arg", `BUILDKIT_${arg}`]);
      await space.ok(["build", ...given, "-o", "named-out", "named"]);
      return await readFile(join(space.root, "named-out/out"), "utf8");
    };
    expect(await out()).toBe("buildkitsandbox \n");
    expect(await out("SANDBOX_HOSTNAME=other")).toBe("other seen\n");
    expect(await out("SANDBOX_HOSTNAME=third", "CACHE_MOUNT_NS=n")).toBe("third \n");
  });

  it("shows no secret that a step prints, in pieces or as base64, in its error neither", async () => {
    const mounts = "--mount=type=secret,id=s,target=/s --mount=type=secret,id=s,env=S";
    const prints = 'cat /s; echo "[$S]"; base64 /s; printf "line-"; sleep 1; echo "one of""-it"; exit 3';
    await space.files("secretive", { Dockerfile: `FROM bb:1\nRUN ${mounts} ${prints}\n`, value: "line-one of-it\nline-two of-it\n" });
    const outcome = await space.varve(["build", "--progress", "plain", "--secret", "id=s,src=secretive/value", "secretive"]);
    expect(outcome.stderr).toContain("[***");
    expect(outcome.stderr).not.toMatch(/of-it|bGluZS/);
  });

  it("says how a step ended, with its last lines, and keeps nothing of it", async () => {
    await space.files("failing", { Dockerfile: "FROM bb:1\nRUN echo out && echo err >&2 && exit 7\n" });
    const outcome = await space.varve(["build", "-t", "failing:1", "failing"]);
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toMatch(/Dockerfile:2:1: .* exit code 7 \[BUILD_RUN_FAILED\]/);
    expect(outcome.stderr).toMatch(/^ {2}err$/m);
    expect((await space.varve(["inspect", "failing:1"])).code).toBe(1);
  });

  it("leaves no process, mount or unfinished file after kill -9, and the same command works again", async () => {
    const marker = `98${process.pid}`;
    await space.files("killed", { Dockerfile: `FROM bb:1\nRUN test -e /nothing || sleep ${marker}\n` });
    const killed = await space.varve(["build", "killed"], {
      onStart: signalOnceAsleep(marker, "SIGKILL"),
    });
    expect(killed.signal).toBe("SIGKILL");
    await expect.poll(() => sleepers(marker), { timeout: 20_000, interval: 100 }).toEqual([]);
    expect(execFileSync("cat", ["/proc/self/mounts"], { encoding: "utf8" })).not.toContain(space.root);
    await space.files("killed", { Dockerfile: "FROM bb:1\nRUN echo again\n" });
    await space.ok(["build", "killed"]);
    expect(await readdir(join(space.home, "ingest")).catch(() => [])).toEqual([]);
  });

  it.each([
    ["the command's own code", ["run", "bb:1", "sh", "-c", "exit 9"], 9],
    ["no such command", ["run", "bb:1", "nosuch"], 127],
    ["a folder as the command", ["run", "bb:1", "/etc"], 126],
    ["no such image", ["run", "localhost:1/nothing"], 125],
    ["no such flag", ["run", "--nothing", "bb:1"], 125],
  ])("varve run ends as docker run does: %s", async (_, args, code) => {
    expect((await space.varve(args)).code).toBe(code);
  });

  it("ends with 130 at SIGINT, at once", async () => {
    const marker = `97${process.pid}`;
    await space.files("interrupted", { Dockerfile: `FROM bb:1\nRUN sleep ${marker}\n` });
    const outcome = await space.varve(["build", "interrupted"], {
      onStart: signalOnceAsleep(marker, "SIGINT"),
    });
    expect(outcome.code).toBe(130);
    await expect.poll(() => sleepers(marker), { timeout: 20_000, interval: 100 }).toEqual([]);
  });
});
