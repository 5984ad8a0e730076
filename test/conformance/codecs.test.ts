import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { describeWithTools } from "@varve/testkit";
import { type DockerRegistry, startDockerRegistry } from "@varve/testkit/registry";
import { installNode } from "../e2e/other-node.ts";
import { createWorkspace, makeBusyboxRoot, runProgram, type Workspace } from "../e2e/varve.ts";

const NODE_24 = installNode("24");

const DOCKERFILE = `ARG BASE
FROM \${BASE}
COPY src/ /src/
RUN ln /src/a.txt /src/hard && ln -s a.txt /src/soft && rm -r /home && chmod 4755 /src/b.txt
CMD ["cat", "/src/hard", "/src/soft"]
`;

interface Case {
  readonly name: string;
  readonly options: string;
  /** Of the media type. */
  readonly suffix: string;
  /** Whether the base's layer has it too. */
  readonly forced: boolean;
  /** Programs that accept the blobs by themselves. */
  readonly check: readonly (readonly string[])[];
  readonly zstd?: boolean;
}

const tars = [
  ["tar", "-tf"],
  ["bsdtar", "-tf"],
];
/** A reader of its own: all members' bytes through `tarfile`. */
const PYTHON = [
  "python3",
  "-c",
  "import sys, tarfile\nwith tarfile.open(sys.argv[1], 'r:gz') as t:\n  for m in t:\n    if m.isreg(): assert len(t.extractfile(m).read()) == m.size",
];
const gzips = [["gzip", "-t"], ["pigz", "-t"], PYTHON, ...tars];
const zstds = [["zstd", "-q", "-t"], ...tars];
const CASES: readonly Case[] = [
  { name: "gzip -9", options: "compression=gzip,compression-level=9", suffix: "tar+gzip", forced: false, check: gzips },
  { name: "portable gzip", options: "portable=true", suffix: "tar+gzip", forced: false, check: gzips },
  { name: "no compression", options: "compression=uncompressed,force-compression=true", suffix: "tar", forced: true, check: tars },
  { name: "estargz", options: "compression=estargz,force-compression=true", suffix: "tar+gzip", forced: true, check: gzips },
  { name: "zstd", options: "compression=zstd,force-compression=true", suffix: "tar+zstd", forced: true, check: zstds, zstd: true },
  // the level of the largest windows
  { name: "zstd -22", options: "compression=zstd,compression-level=22", suffix: "tar+zstd", forced: false, check: zstds, zstd: true },
];

interface Layers {
  readonly layers: readonly { readonly mediaType: string; readonly digest: string }[];
}

const TOOLS = ["docker-registry", "skopeo", "umoci", "buildah", "podman", "runc", "busybox", "bsdtar", "zstd", "pigz", "python3"];

describeWithTools(TOOLS, "layers of every codec", () => {
  let space: Workspace;
  let registry: DockerRegistry;
  const ok = async (program: string, args: readonly string[]): Promise<string> => {
    const outcome = await runProgram(program, args);
    if (outcome.code !== 0) throw new Error(`${program} ${args.join(" ")} ended with ${outcome.code}\n${outcome.stderr}${outcome.stdout}`);
    return outcome.stdout;
  };

  beforeAll(async () => {
    space = await createWorkspace();
    registry = await startDockerRegistry(join(space.root, "registry"));
    await makeBusyboxRoot(join(space.root, "base/root"));
    await space.files("base", { Dockerfile: "FROM scratch\nCOPY root/ /\nENV PATH=/bin:/sbin:/usr/bin:/usr/sbin\n" });
    await space.ok(["build", "-t", `${registry.host}/base:1`, "--push", "base"]);
    // files that are cut
    const large = Buffer.alloc(3_000_000, "varve lays down layers\n");
    await space.files("app", {
      Dockerfile: DOCKERFILE,
      "src/a.txt": "alpha\n",
      "src/b.txt": "beta\n",
      "src/large": large,
      "src/larger": Buffer.concat([large, large]),
    });
  });
  afterAll(async () => {
    await registry?.[Symbol.asyncDispose]();
    await space?.[Symbol.asyncDispose]();
  });

  describe.each(CASES.filter((one) => one.zstd !== true || NODE_24 !== undefined))("$name", (one) => {
    const tag = one.name.replaceAll(/[^a-z0-9]+/g, "-");
    const name = () => `${registry.host}/team/app:${tag}`;
    const layout = () => join(space.root, `layout-${tag}`);
    let layers: Layers["layers"];

    beforeAll(async () => {
      const args = ["build", "--build-arg", `BASE=${registry.host}/base:1`, "-t", name(), "-o", `type=registry,${one.options}`, "app"];
      const env = { VARVE_HOME: space.home, DOCKER_CONFIG: join(space.root, "docker") };
      const program = new URL("../../packages/cli/bin/varve.js", import.meta.url).pathname;
      const built = await runProgram(one.zstd === true ? (NODE_24 ?? "") : process.execPath, [program, ...args], { cwd: space.root, env });
      expect(built.code, built.stderr).toBe(0);
      await ok("skopeo", ["copy", "--preserve-digests", "--src-tls-verify=false", `docker://${name()}`, `oci:${layout()}:app`]);
      ({ layers } = JSON.parse(await ok("skopeo", ["inspect", "--raw", `oci:${layout()}:app`])) as Layers);
    });

    it("has the media types asked for", () => {
      const expected = `application/vnd.oci.image.layer.v1.${one.suffix}`;
      const base = one.forced ? expected : "application/vnd.oci.image.layer.v1.tar+gzip";
      expect(layers.map((layer) => layer.mediaType)).toEqual([base, expected, expected]);
    });

    it("has blobs that the programs of their formats accept", () => {
      for (const { digest } of layers) {
        const blob = join(layout(), "blobs/sha256", digest.slice("sha256:".length));
        for (const [program = "", ...args] of one.check) execFileSync(program, [...args, blob], { stdio: ["ignore", "ignore", "inherit"] });
        // GNU tar finds a compression by itself; one that it was told must hold too
        if (one.suffix === "tar+gzip") execFileSync("tar", ["-tzf", blob], { stdio: ["ignore", "ignore", "inherit"] });
      }
    });

    // umoci 0.4, Debian's, has no zstd
    it.skipIf(one.zstd === true)("is unpacked by umoci", async () => {
      const bundle = join(space.root, `bundle-${tag}`);
      await ok("umoci", ["unpack", "--image", `${layout()}:app`, bundle]);
      expect(await readFile(join(bundle, "rootfs/src/soft"), "utf8")).toBe("alpha\n");
      expect(readFileSync(join(bundle, "rootfs/src/larger")).length).toBe(6_000_000);
    });

    it("is taken by buildah and run by podman", async () => {
      const storage = ["--root", join(space.root, `storage-${tag}`), "--runroot", join(space.root, "runroot"), "--storage-driver", "vfs"];
      const container = (await ok("buildah", [...storage, "from", "--tls-verify=false", name()])).trim();
      const mount = (await ok("buildah", [...storage, "mount", container])).trim();
      expect(readFileSync(join(mount, "src/larger")).equals(readFileSync(join(space.root, "app/src/larger")))).toBe(true);
      await ok("buildah", [...storage, "rm", container]);
      // raising limits takes CAP_SYS_RESOURCE, which not every machine gives
      const limits = ["--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"];
      const run = ["--runtime", "runc", "--cgroup-manager", "cgroupfs", "run", "--rm", ...limits, "--network", "none", name()];
      expect(await ok("podman", [...storage, ...run])).toBe("alpha\nalpha\n");
    });

    it("is read back by varve, on this Node too", async () => {
      const other = join(space.root, `other-${tag}`);
      await space.ok(["pull", name()], { env: { VARVE_HOME: other } });
      await space.files(`from-${tag}`, { Dockerfile: `FROM ${name()} AS app\nFROM scratch\nCOPY --from=app /src/larger /etc/passwd /\n` });
      const out = join(space.root, `out-${tag}`);
      await space.ok(["build", "-o", out, `from-${tag}`], { env: { VARVE_HOME: other } });
      expect(readFileSync(join(out, "larger")).length).toBe(6_000_000);
    });

    it("goes through a docker-archive", async () => {
      await ok("skopeo", ["inspect", `oci:${space.home}:${name()}`]);
      const archive = join(space.root, `docker-${tag}.tar`);
      const from = `from-${tag}-docker`;
      await space.files(from, { Dockerfile: `FROM ${name()}\nLABEL again=1\n` });
      await space.ok(["build", "-o", `type=docker,name=x:1,dest=${archive}`, from]);
      await ok("skopeo", ["copy", `docker-archive:${archive}`, `dir:${join(space.root, `dir-${tag}`)}`]);
    });
  });
});
