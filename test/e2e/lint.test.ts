import { afterAll, beforeAll, expect, it } from "vitest";
import { createWorkspace, type Workspace } from "./varve.ts";

let space: Workspace;
let context = "";
beforeAll(async () => {
  space = await createWorkspace();
  context = await space.files("lint", {
    Dockerfile: "FROM scratch AS Base\nWORKDIR /app\n",
    "strict.Dockerfile": "# check=error=true\nFROM scratch\nWORKDIR app\n",
    "clean.Dockerfile": "FROM scratch\nWORKDIR /app\n",
    "ignored.Dockerfile": "FROM scratch\nCOPY secret /\n",
    "wrong.Dockerfile": "FROM scratch\nEXPOSE http\n",
    "escape.Dockerfile": "FROM scratch AS A\nENV A=\u001b[31mred\nENV B=\u001b[31mred${x\n",
    ".dockerignore": "secret\n",
  });
});
afterAll(async () => {
  await space[Symbol.asyncDispose]();
});

const REPORT = `Check complete, 1 warning has been found!

WARNING: StageNameCasing - https://docs.docker.com/go/dockerfile/rule/stage-name-casing/
Stage name 'Base' should be lowercase
FILE:1
--------------------
   1 | >>> FROM scratch AS Base
   2 |     WORKDIR /app
   3 |${"     "}
--------------------
`;

it.each([["lint"], ["build", "--check"], ["build", "--call", "check"]])("varve %s %s prints what buildx prints, and ends with 1", async (...args) => {
  const { code, stdout } = await space.varve([...args, context]);
  expect(stdout).toBe(REPORT.replace("FILE", `${context}/Dockerfile`));
  expect(code).toBe(1);
});

it("prints BuildKit's JSON", async () => {
  const { stdout } = await space.varve(["lint", "--format", "json", context]);
  expect(JSON.parse(stdout)).toMatchObject({ warnings: [{ ruleName: "StageNameCasing", location: { ranges: [{ start: { line: 1 }, end: { line: 1 } }] } }] });
});

it("finds nothing in a clean file", async () => {
  const { code, stdout } = await space.varve(["lint", "-f", `${context}/clean.Dockerfile`, context]);
  expect({ code, stdout }).toEqual({ code: 0, stdout: "Check complete, no warnings found.\n" });
});

it("knows what .dockerignore leaves out", async () => {
  const { stdout } = await space.varve(["build", "--check", "-f", `${context}/ignored.Dockerfile`, context]);
  expect(stdout).toContain('Attempting to Copy file "secret" that is excluded by .dockerignore');
});

it("says on stderr what it could not look at without base images", async () => {
  const folder = await space.files("based", { Dockerfile: "FROM example.com/nowhere\nCOPY $unknown /\n" });
  const { code, stdout, stderr } = await space.varve(["lint", folder]);
  expect({ code, stdout }).toEqual({ code: 0, stdout: "Check complete, no warnings found.\n" });
  expect(stderr).toContain("not looked at everywhere, since base images aren't asked for: InvalidBaseImagePlatform, UndefinedVar");
});

it("tells all that is wrong with a text, and what stands before it", async () => {
  const folder = await space.files("broken", { Dockerfile: "FROM scratch AS Base\nMAINTAINER me\nBADCMD\nCOPY a\nFROM scratch AS Late\n" });
  const { code, stdout } = await space.varve(["lint", folder]);
  expect(stdout).toContain("Check complete, 2 warnings have been found!");
  expect(stdout).toContain(":3:1: unknown instruction");
  expect(stdout).toContain(":4:1: COPY has no destination");
  expect(code).toBe(1);
});

it("tells what would stop the build", async () => {
  const { code, stdout } = await space.varve(["lint", "-f", `${context}/wrong.Dockerfile`, context]);
  expect(stdout).toContain("[PLAN_INVALID_INSTRUCTION]");
  expect(code).toBe(1);
});

it("warns while it builds, and fails where the file says error=true", async () => {
  const lenient = await space.ok(["build", "--progress", "plain", context]);
  expect(lenient.stderr).toContain("StageNameCasing: Stage name 'Base' should be lowercase (line 1)");
  const strict = await space.varve(["build", "-f", `${context}/strict.Dockerfile`, context]);
  expect(strict.stderr).toContain("lint violation found for rules: WorkdirRelativePath [PLAN_CHECK_FAILED]");
  expect(strict.stderr).toContain("hint: the file says check=error=true");
  const argument = await space.varve(["build", "--build-arg", "BUILDKIT_DOCKERFILE_CHECK=error=true", context]);
  expect(argument.stderr).toContain("hint: the build argument BUILDKIT_DOCKERFILE_CHECK says error=true");
  expect(strict.code).toBe(1);
});

it("writes out what a terminal would obey", async () => {
  const dockerfile = `${context}/escape.Dockerfile`;
  const lint = await space.varve(["lint", "-f", dockerfile, context]);
  expect(lint.stdout).toContain(String.raw`ENV A=\x1b[31mred`);
  const build = await space.varve(["build", "--progress=plain", "-f", dockerfile, context]);
  expect(build.stderr).toContain("> 3 │ ENV B=\\x1b[31mred${x");
  expect(`${lint.stdout}${lint.stderr}${build.stdout}${build.stderr}`).not.toContain("\u001b");
});
