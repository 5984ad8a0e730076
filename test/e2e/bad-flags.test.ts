import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createWorkspace, runProgram, VARVE, type Workspace } from "./varve.ts";

let space: Workspace;
beforeAll(async () => {
  space = await createWorkspace();
  await space.files("ctx", { Dockerfile: "FROM scratch AS first\nCOPY a /a\nFROM first AS second\nCOPY a /b\n", a: "a" });
});
afterAll(() => space[Symbol.asyncDispose]());

describe("a command line that can't be followed", () => {
  it.each<readonly [string, number, string, string]>([
    ["-t Bad:Name", 2, 'invalid image reference "Bad:Name": the repository\'s name must be lower case [OCI_INVALID_REFERENCE]', "write bad:Name"],
    ["-t a.test:5/B:1", 2, 'invalid image reference "a.test:5/B:1": the repository\'s name must be lower case [OCI_INVALID_REFERENCE]', "write a.test:5/b:1"],
    ["-t app:", 2, 'invalid image reference "app:": the tag is malformed [OCI_INVALID_REFERENCE]', ""],
    ["--target secnd", 2, 'target stage "secnd" could not be found [PLAN_UNKNOWN_STAGE]', "did you mean second?"],
    ["--target nope", 2, 'target stage "nope" could not be found [PLAN_UNKNOWN_STAGE]', "the stages are first, second"],
    ["--platform foo", 2, 'invalid platform "foo" [OCI_INVALID_PLATFORM]', ""],
    ["--push", 2, "an image that is pushed needs a name [BUILD_INVALID_OPTION]", "add -t REGISTRY/NAME:TAG"],
    ["-o type=zip", 2, '--output: unknown type "zip" [CLI_USAGE]', ""],
    ["-o type=docker,dest=x --platform linux/amd64,linux/arm64", 2, "type=docker holds one platform only [BUILD_INVALID_OPTION]", ""],
    ["--ulimit files=1", 2, "--ulimit: there is no limit files [CLI_USAGE]", ""],
    ["-o type=oci,dest=none/x.tar", 1, "cannot write none/x.tar: there is no folder none [IMAGE_OUTPUT]", ""],
    ["--iidfile none/id", 1, "cannot write none/id: there is no folder none [IMAGE_OUTPUT]", ""],
    ["--metadata-file ctx", 1, "cannot write ctx: it is a directory [IMAGE_OUTPUT]", ""],
    ["-f nope", 1, "Dockerfile not found: nope [BUILD_DOCKERFILE_NOT_FOUND]", "-f is relative to the current directory, "],
    ["--secret id=x,src=none", 1, "secret x: cannot read none [BUILD_SECRET_MISSING]", ""],
    ["--build-context other=none", 1, "build context none does not exist [CONTEXT_NOT_FOUND]", ""],
  ])("%s ends with %d before anything is built", async (flags, code, message, hint) => {
    const outcome = await space.varve(["build", ...flags.split(" "), "ctx"]);
    expect([outcome.code, outcome.stderr.split("\n")[0]]).toEqual([code, `varve: ${message}`]);
    expect(outcome.stderr).toContain(hint);
    expect(outcome.stderr).not.toContain("COPY");
  });
});

it("a step that asks for all capabilities needs them to be allowed", async () => {
  await space.files("insecure", { Dockerfile: "FROM scratch\nRUN --security=insecure x\n" });
  const refused = await space.varve(["build", "insecure"]);
  expect(refused).toMatchObject({ code: 1 });
  expect(refused.stderr).toContain("Dockerfile:2:1: security.insecure is not allowed [BUILD_NOT_ALLOWED]");
  expect((await space.varve(["build", "--allow", "security.insecure", "insecure"])).stderr).not.toContain("BUILD_NOT_ALLOWED");
  expect(await space.varve(["build", "--allow", "everything", "insecure"])).toMatchObject({ code: 2 });
});

it("an image ID of an earlier build is not left for a later one's", async () => {
  const file = join(space.root, "id");
  await space.ok(["build", "--iidfile", file, "--metadata-file", "/dev/null", "ctx"]);
  expect(await readFile(file, "utf8")).toMatch(/^sha256:[0-9a-f]{64}$/);
  await space.files("bad", { Dockerfile: "FROM scratch\nCOPY none /\n" });
  expect((await space.varve(["build", "--iidfile", file, "bad"])).code).toBe(1);
  expect(existsSync(file)).toBe(false);
});

it("says that stdout can't be written to", async () => {
  const command = `"${process.execPath}" "${VARVE}" build --print ctx > /dev/full`;
  const outcome = await runProgram("sh", ["-c", command], { cwd: space.root, env: { VARVE_HOME: space.home } });
  expect(outcome).toMatchObject({ code: 1, stderr: "varve: cannot write to stdout: no space left on device\n" });
});
