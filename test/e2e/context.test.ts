import { afterAll, beforeAll, expect, it } from "vitest";
import { createWorkspace, type Workspace } from "./varve.ts";

let space: Workspace;
beforeAll(async () => {
  space = await createWorkspace();
  await space.files("app", {
    Dockerfile: "FROM scratch\n",
    ".dockerignore": "modules\ndocs\n!docs/a.md\n",
    "src/big": "x".repeat(2000),
    "docs/a.md": "a",
    "docs/b.md": "b",
    "modules/x": "x",
  });
  await space.files("bare", { file: "x" });
});
afterAll(async () => {
  await space[Symbol.asyncDispose]();
});

const list = async (...args: readonly string[]): Promise<string> => (await space.ok(["context", "ls", ...args])).stdout;

it("shows what is sent, the largest of it, and what is left out by which line", async () => {
  expect(await list("app")).toBe(
    [
      "4 files in 3 directories of app, 2.04kB",
      "",
      "SIZE   FILE",
      "2kB    src/big",
      "24B    .dockerignore",
      "13B    Dockerfile",
      "1B     docs/a.md",
      "",
      "SIZE   FILES   DIRECTORY",
      "2kB    1       src",
      "1B     1       docs",
      "",
      "LEFT OUT    BY",
      "docs/b.md   app/.dockerignore:2: docs",
      "modules     app/.dockerignore:1: modules",
      "",
    ].join("\n"),
  );
  expect(await list("bare")).toContain("nothing is left out: there is no .dockerignore\n");
});

it.each([
  ["modules/x", "modules/x is left out: app/.dockerignore:1: modules\n"],
  ["docs/a.md", "docs/a.md is sent: app/.dockerignore:3: !docs/a.md\n"],
  ["docs", "docs is left out: app/.dockerignore:2: docs (a line with ! may bring back what is below it)\n"],
  ["src/big", "src/big is sent: no line of app/.dockerignore excludes it\n"],
  ["none", "none is not in app; it would be sent: no line of app/.dockerignore excludes it\n"],
])("--why %s", async (path, said) => {
  expect(await list("--why", path, "app")).toBe(said);
});

it("prints JSON", async () => {
  expect(JSON.parse(await list("--json", "app"))).toMatchObject({
    size: 2038,
    directories: 2,
    ignoreFile: "app/.dockerignore",
    leftOut: [{ path: "docs/b.md", line: 2 }, {}],
  });
  expect(JSON.parse(await list("--json", "--why", "modules/x", "app"))).toMatchObject({ sent: false, decidedBy: { line: 1, pattern: "modules" } });
});

it("only directories can be listed", async () => {
  expect(await space.varve(["context", "ls", "-"])).toMatchObject({ code: 2, stderr: expect.stringContaining("only directories can be listed") });
});
