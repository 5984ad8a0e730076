import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describeWithTools } from "@varve/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Served, serveStore } from "./served.ts";
import { createWorkspace, makeBusyboxRoot, runProgram, type Workspace } from "./varve.ts";

let space: Workspace;
let server: Served;
let host: string;

beforeAll(async () => {
  space = await createWorkspace();
  server = await serveStore(join(space.root, "served"));
  ({ host } = server);
});
afterAll(async () => {
  server?.stop();
  await space?.[Symbol.asyncDispose]();
});

describe("the embedded registry", () => {
  it("takes a push, gives it back by tag and digest, and uploads nothing the second time", async () => {
    const context = await space.files("ctx", { Dockerfile: "FROM scratch\nCOPY a /a\n", a: "hello\n" });
    const name = `${host}/team/app:1`;
    await space.ok(["build", "-t", name, "--push", context]);
    const pulled = { env: { VARVE_HOME: join(space.root, "elsewhere") } };
    await space.ok(["pull", name], pulled);
    const shown = JSON.parse((await space.ok(["inspect", name], pulled)).stdout) as { descriptor: { digest: string } };
    const original = JSON.parse((await space.ok(["inspect", name])).stdout) as { descriptor: { digest: string } };
    expect(shown.descriptor.digest).toBe(original.descriptor.digest);
    await space.ok(["pull", `${host}/team/app@${shown.descriptor.digest}`], pulled);
    const again = await space.ok(["push", name]);
    expect(again.stdout.trim()).toBe(original.descriptor.digest);
    expect(again.stderr).toContain("0 blobs");
  });

  it("builds FROM what it serves", async () => {
    const context = await space.files("from", { Dockerfile: `FROM ${host}/team/app:1\nCOPY b /b\n`, b: "more\n" });
    await space.ok(["build", "-t", `${host}/team/next:1`, "--push", context], { env: { VARVE_HOME: join(space.root, "third") } });
    await space.ok(["pull", `${host}/team/next:1`], { env: { VARVE_HOME: join(space.root, "fourth") } });
  });

  it("refuses an image that is for another platform than the one asked for", async () => {
    const outcome = await space.varve(["pull", "--platform", "linux/s390x", `${host}/team/app:1`]);
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toMatch(/not for linux\/s390x \[OCI_NO_MATCHING_PLATFORM\]/);
  });

  it("serves the store's own images by their path, and takes pushes as images", async () => {
    const served = { env: { VARVE_HOME: join(space.root, "served") } };
    const context = await space.files("own", { Dockerfile: "FROM scratch\nCOPY a /a\n", a: "own\n" });
    await space.ok(["build", "-t", "app:1", "-t", "localhost:5000/x/y:t", context], served);
    const client = { env: { VARVE_HOME: join(space.root, "client") } };
    for (const name of ["app:1", "library/app:1", "x/y:t"]) await space.ok(["pull", `${host}/${name}`], client);
    expect((await space.ok(["images"], served)).stdout).toMatch(/^127\.0\.0\.1:\d+\/team\/app +1 /m);
    const inspected = JSON.parse((await space.ok(["inspect", `${host}/team/app:1`], served)).stdout) as { name: string };
    expect(inspected.name).toBe(`${host}/team/app:1`);
    await space.ok(["tag", `${host}/team/app:1`, "kept"], served);
    await space.ok(["rmi", `${host}/team/app:1`, "app:1"], served);
    expect((await space.varve(["pull", `${host}/team/app:1`], client)).stderr).toContain("REGISTRY_NOT_FOUND");
    await space.ok(["pull", `${host}/kept`], client);
    expect((await space.ok(["images"], served)).stdout).not.toMatch(/^127\.0\.0\.1:\d+\/team\/app |^app /m);
  });

  it("keeps the store from being pruned while somebody pushes", async () => {
    await space.ok(["push", `${host}/team/app:1`]);
    expect(await readdir(join(space.root, "served/leases"))).toHaveLength(1);
    const pruned = await space.varve(["prune"], {
      env: { VARVE_HOME: join(space.root, "served") },
      onStart: (child) => {
        // it waits for as long as pushes go on
        setTimeout(() => child.kill("SIGINT"), 3000);
      },
    });
    expect([pruned.code, pruned.stderr]).toEqual([130, "waiting for builds that use the store to end\nvarve: stopped by SIGINT\n"]);
  });

  it("says what is wrong with a tag that doesn't exist", async () => {
    const outcome = await space.varve(["pull", `${host}/team/app:none`]);
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toMatch(/team\/app:none.*\[REGISTRY_NOT_FOUND\]/);
  });
});

describeWithTools(["skopeo", "umoci", "podman", "busybox", "unshare"], "other tools at the embedded registry", () => {
  it("pull a local image, and push one that runs", async () => {
    const served = { env: { VARVE_HOME: join(space.root, "served") } };
    await makeBusyboxRoot(join(space.root, "busybox/rootfs"));
    const context = await space.files("busybox", { Dockerfile: 'FROM scratch\nCOPY rootfs /\nCMD ["echo", "from the store"]\n' });
    await space.ok(["build", "-t", "box", context], served);
    const run = async (program: string, ...args: readonly string[]): Promise<string> => {
      const outcome = await runProgram(program, args);
      if (outcome.code !== 0) throw new Error(`${program} ${args.join(" ")}\n${outcome.stderr}`);
      return outcome.stdout;
    };
    const layout = join(space.root, "layout");
    await run("skopeo", "copy", "--src-tls-verify=false", `docker://${host}/box`, `oci:${layout}:box`);
    await run("umoci", "unpack", "--image", `${layout}:box`, join(space.root, "bundle"));
    expect(await readFile(join(space.root, "bundle/rootfs/bin/busybox"))).toEqual(await readFile("/bin/busybox"));
    const storage = ["--root", join(space.root, "storage"), "--runroot", join(space.root, "runroot"), "--storage-driver", "vfs"];
    await run("podman", ...storage, "pull", "-q", "--tls-verify=false", `${host}/library/box`);
    await run("podman", ...storage, "push", "-q", "--tls-verify=false", `${host}/library/box`, `${host}/from/podman:1`);
    expect((await space.ok(["run", `${host}/from/podman:1`], served)).stdout).toBe("from the store\n");
  });
});
