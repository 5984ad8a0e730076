import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { explainPath, surveyContext } from "./context-survey.ts";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "varve-survey-"));
  const files = { "src/a.js": "hi\n", "src/b.log": "x", "docs/a.md": "a", "docs/b.md": "bb", "docs/deep/c.md": "c", "modules/x/y.js": "y", "keep.log": "k" };
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
  await symlink("src/a.js", join(root, "link"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const ignore = (text: string, name = ".dockerignore"): Promise<void> => writeFile(join(root, name), text);

describe("surveyContext", () => {
  test("lists what is sent, and what is left out by which line", async () => {
    await ignore("modules\ndocs\n!docs/a.md\n*.log\n!keep.log\n**/*.log\n!keep.log\n");
    const survey = await surveyContext({ path: root });
    expect(survey.ignoreFile).toBe(join(root, ".dockerignore"));
    expect(survey.files.filter(({ path }) => path !== ".dockerignore")).toEqual([
      { path: "docs/a.md", type: "file", size: 1 },
      { path: "keep.log", type: "file", size: 1 },
      { path: "link", type: "symlink", size: 0 },
      { path: "src/a.js", type: "file", size: 3 },
    ]);
    expect(survey.directories).toBe(2);
    // docs/deep can't hold docs/a.md, so it isn't entered; nor is modules
    expect(survey.leftOut.map(({ path, rule }) => `${path} ${rule.line}`)).toEqual(["docs/b.md 2", "docs/deep 2", "modules 1", "src/b.log 6"]);
  });

  test("without an ignore file all is sent", async () => {
    const survey = await surveyContext({ path: root });
    expect(survey).toMatchObject({ directories: 5, leftOut: [] });
    expect(survey.files).toHaveLength(8);
    expect(survey.ignoreFile).toBeUndefined();
  });

  test("hidden directories are no part of it, and no rule leaves them out", async () => {
    expect((await surveyContext({ path: root, hidden: [join(root, "docs")] })).files.map(({ path }) => path)).not.toContain("docs/a.md");
  });
});

describe("explainPath", () => {
  const verdict = async (path: string, dockerfile?: string): Promise<unknown> => {
    const { leftOut, exists, enteredAllTheSame, rule } = await explainPath(path, { path: root, dockerfile });
    return `${exists ? "" : "missing "}${leftOut ? "out" : "in"}${enteredAllTheSame ? " entered" : ""}${rule === undefined ? "" : ` ${rule.line} ${rule.text}`}`;
  };
  test("names the line that decided, for parents too", async () => {
    await ignore("# first\nmodules\n docs \n!docs/a.md\n");
    expect(await verdict("modules/x/y.js")).toBe("out 2 modules");
    expect(await verdict("docs/a.md")).toBe("in 4 !docs/a.md");
    expect(await verdict("docs")).toBe("out entered 3 docs");
    expect(await verdict("./src//a.js")).toBe("in");
    expect(await verdict(join(root, "docs/b.md"))).toBe("out 3 docs");
    expect(await verdict("modules/none")).toBe("missing out 2 modules");
    expect(await verdict(".")).toBe("in");
  });

  test("the Dockerfile's own ignore file wins", async () => {
    await ignore("src\n");
    await ignore("docs\n", "app.Dockerfile.dockerignore");
    expect(await verdict("src/a.js", join(root, "app.Dockerfile"))).toBe("in");
    expect(await verdict("docs/a.md", join(root, "app.Dockerfile"))).toBe("out 1 docs");
    expect(await verdict("src/a.js", join(root, "Dockerfile"))).toBe("out 1 src");
  });

  test("what is outside of the context is an error, and so is a pattern that is none", async () => {
    await expect(explainPath("../x", { path: root })).rejects.toThrow(expect.objectContaining({ code: "CONTEXT_NOT_FOUND" }));
    await expect(explainPath("/etc/passwd", { path: root })).rejects.toThrow(expect.objectContaining({ code: "CONTEXT_NOT_FOUND" }));
    await ignore("a\n[\n");
    await expect(explainPath("a", { path: root })).rejects.toThrow(
      expect.objectContaining({ code: "DOCKERFILE_IGNORE_PATTERN", source: expect.objectContaining({ file: join(root, ".dockerignore") }) }),
    );
  });
});
