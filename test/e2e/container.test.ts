import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describeWithTools } from "@varve/testkit";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createWorkspace, makeBusyboxRoot, runProgram, VARVE, type Workspace } from "./varve.ts";

describeWithTools(["busybox", "script"], "containers", () => {
  let space: Workspace;
  beforeAll(async () => {
    space = await createWorkspace();
    await makeBusyboxRoot(join(space.root, "base/root"));
    await space.files("base", {
      Dockerfile: 'FROM scratch\nCOPY root/ /\nENV PATH=/bin:/sbin:/usr/bin A=image\nONBUILD RUN true\nENTRYPOINT ["/usr/bin/env"]\nCMD ["sh"]\n',
    });
    await space.ok(["build", "-t", "bb:1", "base"]);
  });
  afterAll(async () => {
    await space?.[Symbol.asyncDispose]();
  });

  const inspect = async (
    image: string,
  ): Promise<{ config: { config: Record<string, unknown>; history: object[]; author?: string; rootfs: { diff_ids: string[] } } }> =>
    JSON.parse((await space.ok(["inspect", image])).stdout) as never;

  it("are run, changed, committed, looked at and removed", async () => {
    const script = "mkdir /made && echo kept > /made/file && rm /bin/vi && echo $A";
    const run = await space.ok(["run", "--name", "by-hand", "-e", "A=own", "-w", "/tmp", "bb:1", "sh", "-c", script]);
    expect(run.stdout).toBe("own\n");
    const listed = await space.ok(["ps", "-a"]);
    expect(listed.stdout).toMatch(/^[0-9a-f]{12} +bb:1 +"\/usr\/bin\/env sh -c …" +\d+ seconds? ago +Exited \(0\) \d+ seconds? ago +by-hand$/m);
    expect((await space.ok(["ps"])).stdout).not.toContain("by-hand");

    const changes = ["-c", "ENV B=two A=three", "-c", 'CMD ["cat", "/made/file"]', "-c", "ONBUILD RUN false", "-c", "EXPOSE 80"];
    const committed = await space.ok(["commit", "-m", "made by hand", "-a", "Ada", ...changes, "by-hand", "hand:1"]);
    expect(committed.stdout).toMatch(/^sha256:[0-9a-f]{64}\n$/);
    expect((await space.ok(["run", "--rm", "hand:1"])).stdout).toBe("kept\n");
    expect((await space.varve(["run", "--rm", "hand:1", "ls", "/bin/vi"])).code).toBe(1);
    const { config } = await inspect("hand:1");
    expect(config.config).toMatchObject({
      Env: ["PATH=/bin:/sbin:/usr/bin", "A=three", "B=two"],
      Cmd: ["cat", "/made/file"],
      Entrypoint: ["/usr/bin/env"],
      WorkingDir: "/tmp",
      OnBuild: ["RUN true", "RUN false"],
      ExposedPorts: { "80/tcp": {} },
    });
    expect(config.author).toBe("Ada");
    expect(config.rootfs.diff_ids).toHaveLength(2);
    expect(config.history.at(-1)).toMatchObject({ created_by: `/usr/bin/env sh -c ${script}`, comment: "made by hand", author: "Ada" });

    expect((await space.ok(["rm", "by-hand"])).stdout).toBe("by-hand\n");
    expect((await space.varve(["rm", "by-hand"])).stderr).toContain("[BUILD_CONTAINER_NOT_FOUND]");
    // the image needs nothing of the container's
    expect((await space.ok(["run", "--rm", "hand:1"])).stdout).toBe("kept\n");
  });

  it("that changed nothing add no layer, and one that ended with an error is kept too", async () => {
    expect((await space.varve(["run", "--name", "failing", "bb:1", "sh", "-c", "exit 4"])).code).toBe(4);
    expect((await space.ok(["ps", "-a"])).stdout).toMatch(/Exited \(4\).*failing/);
    await space.ok(["commit", "failing", "same:1"]);
    const { config } = await inspect("same:1");
    expect(config.rootfs.diff_ids).toHaveLength(1);
    expect(config.history.at(-1)).toMatchObject({ empty_layer: true });
  });

  it("are not kept with --rm, nor when the command could not be started", async () => {
    await space.varve(["run", "--name", "never", "--entrypoint", "/nothing", "bb:1"]);
    await space.ok(["run", "--name", "gone", "--rm", "bb:1", "touch", "/x"]);
    const { stdout } = await space.ok(["ps", "-a"]);
    expect(stdout).not.toContain("never");
    expect(stdout).not.toContain("gone");
  });

  it("whose program was killed are dead: they can be removed, not committed", async () => {
    let running = "";
    const marker = `96${process.pid}`;
    const killed = await space.varve(["run", "--name", "killed", "bb:1", "sleep", marker], {
      onStart(child) {
        const look = setInterval(() => {
          void space.varve(["ps"]).then(({ stdout }) => {
            if (!stdout.includes("killed")) return;
            running = stdout;
            clearInterval(look);
            child.kill("SIGKILL");
          });
        }, 300);
      },
    });
    expect(killed.signal).toBe("SIGKILL");
    expect(running).toMatch(/Up \d+ seconds? +killed/);
    expect((await space.ok(["ps", "-a"])).stdout).toMatch(/Dead +killed/);
    expect((await space.varve(["commit", "killed", "no:1"])).stderr).toContain("[BUILD_CONTAINER_DEAD]");
    await space.ok(["rm", "killed"]);
  });

  it("that run are neither removed nor committed", async () => {
    const refusals: string[] = [];
    await space.varve(["run", "--name", "busy", "bb:1", "sh", "-c", `echo up >&2; sleep 95${process.pid}`], {
      async onStart(child) {
        await child.told("up");
        for (const command of ["rm", "commit"]) refusals.push((await space.varve([command, "busy"])).stderr);
        child.kill("SIGTERM");
      },
    });
    expect(refusals.map((text) => text.includes("[BUILD_CONTAINER_RUNNING]"))).toEqual([true, true]);
  });

  it("get stdin with -i only", async () => {
    expect((await space.ok(["run", "--rm", "-i", "bb:1", "cat"], { input: "typed" })).stdout).toBe("typed");
    expect((await space.ok(["run", "--rm", "bb:1", "cat"], { input: "typed" })).stdout).toBe("");
  });

  it("get a terminal with -t, with control of jobs", async () => {
    const inside = "test -t 0 && tty && set -m && sleep 1 & wait $! ; echo end";
    const outcome = await runProgram("script", ["-qec", `${process.execPath} ${VARVE} run --rm -it bb:1 sh -ic '${inside}'`, "/dev/null"], {
      env: { VARVE_HOME: space.home },
    });
    expect(outcome.stdout).not.toContain("job control turned off");
    expect(outcome.stdout).toContain("end");
    expect((await space.varve(["run", "--rm", "-it", "bb:1", "sh"])).stderr).toContain("the input device is not a terminal");
  });

  it("see what is mounted with -v, and change it unless it is read-only", async () => {
    await mkdir(join(space.root, "shared"));
    await space.ok(["run", "--rm", "-v", "./shared:/mnt/data", "bb:1", "sh", "-c", "echo x > /mnt/data/file"]);
    expect(await readFile(join(space.root, "shared/file"), "utf8")).toBe("x\n");
    expect((await space.varve(["run", "--rm", "-v", "./shared:/data:ro", "bb:1", "sh", "-c", "echo y > /data/file"])).stderr).toContain(
      "Read-only file system",
    );
    const kept = await space.ok(["run", "--name", "mounted", "-v", "./shared:/mnt/data", "bb:1", "touch", "/mnt/data/other"]);
    expect(kept.code).toBe(0);
    await space.ok(["commit", "mounted", "mounted:1"]);
    expect((await inspect("mounted:1")).config.rootfs.diff_ids).toHaveLength(1);
  });

  it.each(["chroot", "proot"])("do no harm to what is mounted on %s", async (sandbox) => {
    const folder = await space.files(`kept-${sandbox}`, { data: "gold\n", file: "gold\n" });
    await space.varve(["run", "--rm", "--sandbox", sandbox, "-v", `${folder}:/p`, "-v", `${folder}/file:/f`, "bb:1", "cat", "/p/data"]);
    expect(await readFile(join(folder, "data"), "utf8")).toBe("gold\n");
    expect(await readFile(join(folder, "file"), "utf8")).toBe("gold\n");
    const shell = await runProgram(
      "script",
      ["-qec", `${process.execPath} ${VARVE} run --rm -it --sandbox ${sandbox} bb:1 sh -c 'test -t 0 && echo yes'`, "/dev/null"],
      {
        env: { VARVE_HOME: space.home },
      },
    );
    expect(shell.stdout).toContain("yes");
  });

  it.each([
    ["a named volume", ["run", "-v", "data:/data", "bb:1"], "varve has no named volumes"],
    ["a volume without a target", ["run", "-v", "/data", "bb:1"], "is not HOST:CONTAINER"],
    ["a volume that isn't there", ["run", "-v", "/nothing/here:/data", "bb:1"], "[SNAPSHOT_MOUNT_TARGET]"],
    ["a change with files", ["commit", "-c", "RUN true", "failing", "x:1"], "RUN is no change that can be committed"],
    ["a name that is none", ["run", "--name", "a b", "bb:1"], "is no name for a container"],
    ["a name that is taken", ["run", "--name", "failing", "bb:1"], "there is a container failing already"],
  ])("refuse %s", async (_, args, message) => {
    expect((await space.varve(args)).stderr).toContain(message);
  });
});
