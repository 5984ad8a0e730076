import { chmod, readdir, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createWorkspace, runProgram, VARVE, type Workspace } from "./varve.ts";

const FIND = "/usr/bin/find";

describe.skipIf(process.platform !== "linux")("a build of the same context", () => {
  let space: Workspace;
  let root: string;
  beforeAll(async () => {
    space = await createWorkspace();
    root = await realpath(space.root);
    await space.files("app", { Dockerfile: "FROM scratch\nCOPY . /\n", a: "a", "logs/b": "b" });
    await space.files("elsewhere", { x: "x" });
    // says where it was started
    await space.files("bin", { find: `#!/bin/sh\necho "$PWD" "$@" >> '${root}/found'\nexec ${FIND} "$@"\n` });
    await chmod(join(root, "bin/find"), 0o755);
  });
  afterAll(async () => space[Symbol.asyncDispose]());

  /** The image, and what `find` was started for. */
  async function build(...more: readonly string[]): Promise<{ readonly image: string; readonly found: readonly string[] }> {
    await rm(join(root, "found"), { force: true });
    const { stdout } = await space.ok(["build", "-q", "app", ...more], { env: { PATH: `${root}/bin:${process.env["PATH"] ?? ""}` } });
    return { image: stdout, found: (await readFile(join(root, "found"), "utf8")).trim().split("\n") };
  }
  const notes = async (): Promise<readonly string[]> => (await readdir(join(space.home, "listed"))).map((name) => join(space.home, "listed", name));

  it("begins with what the last one listed, and lists it once", async () => {
    const first = await build();
    expect(first.found).toHaveLength(1);
    expect(await Promise.all((await notes()).map((path) => readFile(path, "utf8")))).toEqual([
      JSON.stringify({ directory: join(root, "app"), prunedPaths: [], prunedNames: [] }),
    ]);
    expect(await build()).toEqual(first);
    expect(await build("-t", "other:1", "--build-arg", "UNUSED=1")).toEqual(first);
    expect(await notes()).toHaveLength(1);
  });

  it("lists something else where that is what it wants now", async () => {
    const { image } = await build();
    const [note = ""] = await notes();
    // killed before it has said anything, if the program is quick
    for (let tries = 0; tries < 5; tries++) {
      await writeFile(note, JSON.stringify({ directory: join(root, "elsewhere") }));
      const misled = await build();
      expect(misled.image).toBe(image);
      expect(misled.found.at(-1)).toMatch(`${join(root, "app")} `);
      if (misled.found.length === 2) break;
      expect(tries).toBeLessThan(4);
    }
    await space.files("app", { ".dockerignore": "logs\n" });
    const without = await build();
    expect(without.image).not.toBe(image);
    expect(without.found.at(-1)).toContain("-path ./logs");
    expect(await readFile(note, "utf8")).toContain(`"prunedPaths":["logs"]`);
    expect(await build()).toEqual({ image: without.image, found: [without.found.at(-1)] });
  });

  it.each(["-f -", "-f-", "--file=-", "-f /dev/stdin"])("waits for a Dockerfile that is written while the context is: %s", async (words) => {
    const folder = `written${words.replaceAll("/", "-")}`;
    const script = `(sleep 0.5; echo x > "$2/$3"; printf 'FROM scratch\\nCOPY . /\\n') | "$0" "$1" build ${words} --output "type=local,dest=$2.out" "$2"`;
    for (const name of ["first", "second"]) {
      const args = ["-c", script, process.execPath, VARVE, await space.files(folder, {}), name];
      await space.files(folder, { kept: "x" });
      const outcome = await runProgram("sh", args, { env: { VARVE_HOME: space.home } });
      expect(outcome.code, outcome.stderr).toBe(0);
      expect(await readdir(join(root, `${folder}.out`))).toContain(name);
    }
  });

  it("takes no note that another user could have written, and none that says nothing", async () => {
    const { image } = await build();
    const [note = ""] = await notes();
    await writeFile(note, "no JSON");
    expect((await build()).image).toBe(image);
    await writeFile(note, JSON.stringify({ directory: join(root, "elsewhere") }));
    await chmod(note, 0o666);
    const { found } = await build();
    expect(found).toHaveLength(1);
  });
});
