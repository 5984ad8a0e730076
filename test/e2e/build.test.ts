import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createWorkspace, type Workspace } from "./varve.ts";

let space: Workspace;
beforeAll(async () => {
  space = await createWorkspace();
});
afterAll(async () => {
  await space[Symbol.asyncDispose]();
});

const DOCKERFILE = `FROM scratch AS one
COPY a.txt /one/
FROM scratch AS unneeded
COPY missing.txt /
FROM scratch
COPY --from=one /one/a.txt /data/
COPY b/ /data/b/
LABEL who="e2e"
CMD ["/data/run"]
`;

describe("varve build without RUN", () => {
  it("reads many files on a thread of their own", async () => {
    const files = Object.fromEntries(Array.from({ length: 900 }, (_, i) => [`d${i % 7}/f${i}`, `${i} `.repeat(1 + (i % 2000))]));
    const context = await space.files("many", { Dockerfile: "FROM scratch\nCOPY . /\n", ...files });
    await space.ok(["build", "-q", "-t", "many:1", context]);
    await space.ok(["build", "-q", "-o", "type=local,dest=many-out", context]);
    for (const [name, text] of Object.entries(files)) expect(await readFile(join(space.root, "many-out", name), "utf8")).toBe(text);
  });

  it("builds the stages the target needs, and the same again from the cache", async () => {
    const context = await space.files("ctx", { Dockerfile: DOCKERFILE, "a.txt": "a\n", "b/c.txt": "c\n", "b/d/e.txt": "e\n" });
    const first = await space.ok(["build", "-t", "demo:1", "--iidfile", "iid", "--metadata-file", "meta.json", context]);
    expect(first.stderr).not.toContain("CACHED");
    const id = await readFile(join(space.root, "iid"), "utf8");
    expect(id).toMatch(/^sha256:[0-9a-f]{64}$/);
    const meta = JSON.parse(await readFile(join(space.root, "meta.json"), "utf8")) as Record<string, unknown>;
    expect(meta["containerimage.config.digest"]).toBe(id);

    const inspected = JSON.parse((await space.ok(["inspect", "demo:1"])).stdout) as {
      config: { config: Record<string, unknown>; rootfs: { diff_ids: string[] }; history: { created_by: string }[] };
    };
    expect(inspected.config.config["Cmd"]).toEqual(["/data/run"]);
    expect(inspected.config.config["Labels"]).toEqual({ who: "e2e" });
    expect(inspected.config.rootfs.diff_ids).toHaveLength(2);
    expect(inspected.config.history.map((entry) => entry.created_by)).toEqual([
      "COPY /one/a.txt /data/ # buildkit",
      "COPY b/ /data/b/ # buildkit",
      "LABEL who=e2e",
      'CMD ["/data/run"]',
    ]);

    const second = await space.ok(["build", "--progress", "plain", "-t", "demo:2", context]);
    expect(second.stderr.match(/CACHED/g)).toHaveLength(3);
    const again = JSON.parse((await space.ok(["inspect", "demo:2"])).stdout) as typeof inspected;
    expect(again.config.rootfs.diff_ids).toEqual(inspected.config.rootfs.diff_ids);
  });

  it("runs only what a changed file reaches", async () => {
    await writeFile(join(space.root, "ctx/b/c.txt"), "changed\n");
    const { stderr } = await space.ok(["build", "--progress", "plain", "ctx"]);
    expect(stderr.match(/CACHED/g)).toHaveLength(2);
  });

  it("prints only the image ID with -q, and the plan with --print", async () => {
    const quiet = await space.ok(["build", "-q", "ctx"]);
    expect(quiet.stdout).toMatch(/^sha256:[0-9a-f]{64}\n$/);
    expect(quiet.stderr).toBe("");
    const plan = JSON.parse((await space.ok(["build", "--print", "ctx"])).stdout) as { vertices: { kind: string }[] };
    expect(plan.vertices.filter((vertex) => vertex.kind === "copy")).toHaveLength(3);
  });

  it("lists, tags, untags and shows the history of images", async () => {
    await space.ok(["build", "-t", "demo:1", "ctx"]);
    await space.ok(["tag", "demo:1", "registry.example/team/demo:x"]);
    expect((await space.ok(["images"])).stdout).toMatch(/registry\.example\/team\/demo +x +[0-9a-f]{12}/);
    expect((await space.ok(["history", "demo:1"])).stdout).toContain("LABEL who=e2e");
    await space.ok(["rmi", "registry.example/team/demo:x"]);
    // what another program wrote, whose names need not be references
    const path = join(space.home, "index.json");
    const index = JSON.parse(await readFile(path, "utf8")) as { manifests: { annotations: object }[] };
    index.manifests.push({ ...index.manifests[0]!, annotations: { "org.opencontainers.image.ref.name": "Theirs" } });
    await writeFile(path, JSON.stringify(index));
    expect((await space.ok(["images"])).stdout).toMatch(/^Theirs +<none> /m);
    await space.ok(["rmi", "Theirs"]);
    expect((await space.varve(["inspect", "registry.example/team/demo:x"])).code).toBe(1);
  });
});

describe("bad input ends in one clear error", () => {
  const cases: readonly (readonly [string, string | undefined, readonly string[], number, RegExp])[] = [
    ["no Dockerfile", undefined, [], 1, /Dockerfile/],
    ["unknown instruction", "FROM scratch\nCPOY a /\n", [], 2, /Dockerfile:2:1: .*CPOY[^]*did you mean COPY/],
    ["COPY of what isn't there", "FROM scratch\nCOPY nothing.txt /\n", [], 1, /Dockerfile:2.*nothing\.txt/],
    ["unknown stage", "FROM scratch\n", ["--target", "nope"], 2, /nope/],
    ["unknown flag", "FROM scratch\n", ["--squash"], 2, /--squash/],
    ["unknown output", "FROM scratch\n", ["-o", "type=cloud"], 2, /cloud/],
    ["registry down", "FROM localhost:1/base\n", [], 1, /localhost:1/],
  ];
  it.each(cases)("%s", async (name, dockerfile, args, code, message) => {
    const folder = `bad-${name.replaceAll(/\W/g, "-")}`;
    await space.files(folder, { "x/": "", ...(dockerfile === undefined ? {} : { Dockerfile: dockerfile }) });
    const outcome = await space.varve(["build", ...args, folder]);
    expect(outcome.stderr).toMatch(message);
    expect(outcome.code).toBe(code);
    expect(outcome.stderr).not.toMatch(/^\s+at /m);
    expect(existsSync(join(space.home, "ingest")) ? await leftovers(join(space.home, "ingest")) : []).toEqual([]);
  });
});

async function leftovers(folder: string): Promise<string[]> {
  const { readdir } = await import("node:fs/promises");
  return await readdir(folder);
}
