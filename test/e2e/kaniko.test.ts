import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Served, serveStore } from "./served.ts";
import { createWorkspace, makeBusyboxRoot, type Outcome, runProgram, VARVE, type Workspace } from "./varve.ts";

let space: Workspace;
let server: Served;
let host: string;
let context: string;

beforeAll(async () => {
  space = await createWorkspace();
  server = await serveStore(join(space.root, "served"));
  ({ host } = server);
  context = await space.files("ctx", { Dockerfile: "FROM scratch\nARG NAME\nCOPY a /a\nWORKDIR /made\nLABEL name=$NAME\n", a: "one\n" });
});
afterAll(async () => {
  server?.stop();
  await space?.[Symbol.asyncDispose]();
});

let machines = 0;
/** As a job on a machine that has built nothing yet. */
const kaniko = async (args: readonly string[], input?: Uint8Array): Promise<Outcome> =>
  space.ok(["kaniko", ...args], { env: { VARVE_HOME: join(space.root, `machine-${machines++}`) }, ...(input === undefined ? {} : { input }) });

it.each(["version", "--version"])("%s tells varve's own", async (word) => {
  expect((await kaniko([word])).stdout).toMatch(/^\d+\.\d+\.\d+\S*\n$/);
});

it("builds, pushes and writes the digests as the executor did", async () => {
  const [digest, name, tagged] = ["digest", "name", "tagged"].map((file) => join(space.root, file));
  await kaniko([
    `--context=dir://${context}`,
    `--destination=${host}/team/app:1`,
    `--destination=${host}/team/other:2`,
    "--build-arg=NAME=x",
    "--label",
    "by=hand",
    `--digest-file=${digest}`,
    `--image-name-with-digest-file=${name}`,
    `--image-name-tag-with-digest-file=${tagged}`,
  ]);
  const written = await readFile(digest ?? "", "utf8");
  expect(written).toMatch(/^sha256:[0-9a-f]{64}$/);
  expect(await readFile(name ?? "", "utf8")).toBe(`${host}/team/app@${written}\n${host}/team/other@${written}\n`);
  expect(await readFile(tagged ?? "", "utf8")).toBe(`${host}/team/app:1@${written}\n${host}/team/other:2@${written}\n`);
  await space.ok(["pull", `${host}/team/other:2`]);
  const { config } = JSON.parse((await space.ok(["inspect", `${host}/team/other:2`])).stdout) as { config: { config: object } };
  expect(config.config).toMatchObject({ Labels: { name: "x", by: "hand" }, WorkingDir: "/made" });
});

it("finds what another machine made in the cache's repository, and takes nothing else", async () => {
  const args = [`--context=${context}`, `--destination=${host}/team/cached:1`, "--cache"];
  expect((await kaniko(args)).stderr).not.toContain("CACHED");
  const again = await kaniko(args);
  expect(again.stderr.match(/CACHED/g)).toHaveLength(2);
  expect((await kaniko([...args, "--cache-ttl=0s"])).stderr).not.toContain("CACHED");
  expect((await kaniko(args.slice(0, 2))).stderr).not.toContain("CACHED");
  await writeFile(join(context, "a"), "two\n");
  expect((await kaniko([...args, "--no-push-cache"])).stderr).not.toContain("CACHED");
  expect((await kaniko(args)).stderr).not.toContain("CACHED");
  await writeFile(join(context, "a"), "one\n");
  expect((await kaniko(args)).stderr.match(/CACHED/g)).toHaveLength(2);
});

it("goes on without a cache that can't be reached, and says so", async () => {
  const { stderr } = await kaniko([`--context=${context}`, "--no-push", "--cache", "--cache-repo=localhost:1/none"]);
  expect(stderr).toContain("localhost:1");
});

it("reads a tar, by path and on stdin, and a Dockerfile beside it", async () => {
  const tar = join(space.root, "context.tar.gz");
  execFileSync("tar", ["-czf", tar, "-C", context, "."]);
  const out = join(space.root, "image.tar");
  await kaniko([`--context=tar://${tar}`, "--no-push", `--tar-path=${out}`, "-d", "app:1"]);
  expect(execFileSync("tar", ["-tf", out], { encoding: "utf8" })).toContain("manifest.json");
  await kaniko(["--context=tar://stdin", "--no-push"], await readFile(tar));
  const outside = await space.files("outside", { "My.Dockerfile": "FROM scratch\nCOPY a /b\n" });
  const { stderr } = await kaniko([`--context=tar://${tar}`, "-f", join(outside, "My.Dockerfile"), "--no-push"]);
  expect(stderr).toContain("COPY a /b");
});

it("says what has no meaning, and is silent when asked to be", async () => {
  const flags = [`--context=${context}`, "--no-push", "--single-snapshot"];
  expect((await kaniko(flags)).stderr).toContain("--single-snapshot has no meaning here");
  expect((await kaniko([...flags, "--verbosity=error"])).stderr).toBe("");
});

/** Puts a command where little is granted; lies beside the repository, not in it. */
const JAIL = fileURLToPath(new URL("../../../shared/tools/jail.mjs", import.meta.url));
const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));

// docs/kaniko.md: GitLab's and GitHub's containers are Docker's default ones, Kubernetes' and Tekton's may be restricted
describe.skipIf(!existsSync(JAIL))(existsSync(JAIL) ? "in a job" : "in a job (needs ../shared/tools/jail.mjs)", () => {
  it.each(["docker", "restricted"])("under the rules of %s, with a RUN and a cache", async (rules) => {
    const folder = join(space.root, `job-${rules}`);
    await makeBusyboxRoot(join(folder, "root"));
    await chmod(join(folder, "root/root"), 0o755);
    await space.files(`job-${rules}`, { Dockerfile: "FROM scratch\nCOPY root/ /\nRUN echo built > /out && mkdir /made\n" });
    if (rules === "restricted") execFileSync("chown", ["-R", "1000:1000", folder]);
    const job = async (): Promise<Outcome> => {
      const home = join(folder, `home-${machines++}`);
      const flags = [`--context=${folder}/`, "--dockerfile=Dockerfile", `--destination=${host}/jobs/${rules}:1`, "--cache", `--digest-file=${folder}/digest`];
      const program = [process.execPath, VARVE, "kaniko", ...flags];
      return runProgram(process.execPath, [JAIL, rules, "--rw", folder, "--rw", REPOSITORY, "--env", `VARVE_HOME=${home}`, "--", ...program]);
    };
    await writeFile(join(folder, ".dockerignore"), "home-*\ndigest\n");
    const first = await job();
    expect(first, first.stderr).toMatchObject({ code: 0 });
    expect(await readFile(join(folder, "digest"), "utf8")).toMatch(/^sha256:/);
    const second = await job();
    expect(second.stderr.match(/CACHED/g)).toHaveLength(2);
    expect((await space.ok(["run", "--rm", `${host}/jobs/${rules}:1`, "/bin/cat", "/out"])).stdout).toBe("built\n");
  });
});
