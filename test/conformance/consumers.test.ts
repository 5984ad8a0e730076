import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createWorkspace, makeBusyboxRoot, type Outcome, runProgram, type Workspace } from "../e2e/varve.ts";
import { describeWithTools } from "@varve/testkit";
import { type DockerRegistry, startDockerRegistry } from "@varve/testkit/registry";

const DOCKERFILE = `ARG BASE
FROM \${BASE} AS left
RUN mkdir /out && echo left > /out/left && ln /out/left /out/hard && ln -s left /out/soft && chmod 4755 /out/left
FROM \${BASE} AS right
WORKDIR /src
COPY src/ .
RUN sort *.txt > /right.txt
FROM \${BASE}
COPY --from=left /out/ /opt/
COPY --from=right /right.txt /opt/
RUN rm -rf /home && echo 'ada:x:1234:1234::/:/bin/sh' >> /etc/passwd && chown -R 1234:1234 /opt
USER ada
WORKDIR /opt
CMD ["cat", "left", "right.txt"]
`;

async function ok(program: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Outcome> {
  const outcome = await runProgram(program, args, { env });
  if (outcome.code !== 0) throw new Error(`${program} ${args.join(" ")} ended with ${outcome.code}\n${outcome.stderr}${outcome.stdout}`);
  return outcome;
}

describeWithTools(["docker-registry", "skopeo", "umoci", "buildah", "podman", "runc", "busybox"], "what varve pushes to docker-registry", () => {
  let space: Workspace;
  let registry: DockerRegistry;
  let name: string;

  beforeAll(async () => {
    space = await createWorkspace();
    registry = await startDockerRegistry(join(space.root, "registry"));
    name = `${registry.host}/team/app:1`;
    await makeBusyboxRoot(join(space.root, "base/root"));
    await space.files("base", {
      Dockerfile: 'FROM scratch\nCOPY root/ /\nENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nCMD ["sh"]\n',
    });
    await space.ok(["build", "-t", `${registry.host}/base:1`, "--push", "base"]);
    await space.files("app", { Dockerfile: DOCKERFILE, "src/b.txt": "beta\n", "src/a.txt": "alpha\n" });
    await space.ok(["build", "--build-arg", `BASE=${registry.host}/base:1`, "-t", name, "--push", "app"]);
  });
  afterAll(async () => {
    await registry?.[Symbol.asyncDispose]();
    await space?.[Symbol.asyncDispose]();
  });

  it("is read by skopeo from the registry and from the store", async () => {
    const remote = JSON.parse((await ok("skopeo", ["inspect", "--tls-verify=false", `docker://${name}`])).stdout) as { Digest: string; Layers: string[] };
    const local = JSON.parse((await ok("skopeo", ["inspect", `oci:${space.home}:${name}`])).stdout) as { Digest: string; Layers: string[] };
    expect(local.Digest).toBe(remote.Digest);
    expect(local.Layers).toEqual(remote.Layers);
    await ok("skopeo", ["copy", "--src-tls-verify=false", `docker://${name}`, `dir:${join(space.root, "copied")}`]);
  });

  it("is mounted, not uploaded, when it is pushed under a second name", async () => {
    const second = `${registry.host}/other/app:1`;
    await space.ok(["tag", name, second]);
    const { stderr } = await space.ok(["push", second]);
    expect(stderr).toContain("Pushed 0 blobs (0B), 6 mounted\n");
    await ok("skopeo", ["inspect", "--tls-verify=false", `docker://${second}`]);
  });

  it("is unpacked by umoci and run by runc", async () => {
    const layout = join(space.root, "layout");
    await ok("skopeo", ["copy", "--src-tls-verify=false", `docker://${name}`, `oci:${layout}:app`]);
    const bundle = join(space.root, "bundle");
    await ok("umoci", ["unpack", "--image", `${layout}:app`, bundle]);
    expect(await readFile(join(bundle, "rootfs/opt/right.txt"), "utf8")).toBe("alpha\nbeta\n");
    const config = JSON.parse(await readFile(join(bundle, "config.json"), "utf8")) as { process: { terminal: boolean }; linux: { resources?: unknown } };
    config.process.terminal = false;
    delete config.linux.resources;
    await space.files("bundle", { "config.json": JSON.stringify(config) });
    const run = await ok("runc", ["--root", join(space.root, "runc"), "run", "--bundle", bundle, `varve-test-${process.pid}`]);
    expect(run.stdout).toBe("left\nalpha\nbeta\n");
  });

  it("is taken by buildah and run by podman", async () => {
    const storage = ["--root", join(space.root, "storage"), "--runroot", join(space.root, "runroot"), "--storage-driver", "vfs"];
    const container = (await ok("buildah", [...storage, "from", "--tls-verify=false", name])).stdout.trim();
    const mount = (await ok("buildah", [...storage, "mount", container])).stdout.trim();
    expect(await readFile(join(mount, "opt/soft"), "utf8")).toBe("left\n");
    await ok("buildah", [...storage, "umount", container]);
    const run = await ok("podman", [
      ...storage,
      "--runtime",
      "runc",
      "--cgroup-manager",
      "cgroupfs",
      "run",
      "--rm",
      // raising limits takes CAP_SYS_RESOURCE, which not every machine gives
      "--ulimit=nofile=1024:1024",
      "--ulimit=nproc=1024:1024",
      "--network",
      "none",
      name,
    ]);
    expect(run.stdout).toBe("left\nalpha\nbeta\n");
  });

  it("uploads nothing when built and pushed again", async () => {
    const before = registry.requests().length;
    const again = await space.ok(["build", "--progress", "plain", "--build-arg", `BASE=${registry.host}/base:1`, "-t", name, "--push", "app"]);
    expect(again.stderr.match(/CACHED/g)).toHaveLength(8);
    const requests = registry.requests().slice(before);
    expect(requests.filter((line) => / "(POST|PATCH|PUT) /.test(line))).toEqual([]);
    // what the tag means tells that all of it is there
    expect(requests.filter((line) => / "HEAD [^"]*\/blobs\//.test(line))).toEqual([]);
  });

  it("is pushed whole to another repository by a build in which nothing changed", async () => {
    const other = name.replace(/:[^:/]*$/, "-other:1");
    const again = await space.ok(["build", "--progress", "plain", "--build-arg", `BASE=${registry.host}/base:1`, "-t", other, "--push", "app"]);
    expect(again.stderr.match(/CACHED/g)).toHaveLength(8);
    await space.ok(["pull", other], { env: { VARVE_HOME: `${space.root}/other-home` } });
  });
});
