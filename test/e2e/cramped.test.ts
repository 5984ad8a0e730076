import { existsSync } from "node:fs";
import { join } from "node:path";
import { describeWithTools } from "@varve/testkit";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createWorkspace, makeBusyboxRoot, type Outcome, runProgram, VARVE, type Workspace } from "./varve.ts";

/** What a place lacks, as shell commands in a mount namespace of its own; `$1` is an empty folder. */
const PLACES: Readonly<Record<string, { readonly before: string; readonly after?: string; readonly says: readonly string[] }>> = {
  "there is no /proc": { before: ":", after: "umount -l /proc", says: ["[SANDBOX_UNAVAILABLE]", "there is no /proc here", "mount -t proc"] },
  "the store's disk is read-only": {
    before: "mount -t tmpfs t $1",
    after: "mkdir -p $1/store/snapshots $1/store/cache/mounts; mount -o remount,ro $1",
    says: ["[SNAPSHOT_FOLDER_UNUSABLE]", "EROFS: read-only file system", "VARVE_HOME"],
  },
  "the store's disk is full": {
    before: "mount -t tmpfs -o size=16m t $1",
    after: "mkdir -p $1/store/snapshots $1/store/cache/mounts; cat /dev/zero > $1/filler 2> /dev/null",
    says: ["no space", "VARVE_HOME"],
  },
};

describeWithTools(["busybox", "unshare"], "a place where RUN cannot work", () => {
  let space: Workspace;
  beforeAll(async () => {
    space = await createWorkspace();
    await makeBusyboxRoot(join(space.root, "bb/root"));
    await space.files("bb", { Dockerfile: "FROM scratch\nCOPY root/ /\n" });
    await space.files("step", { Dockerfile: "FROM bb\nRUN echo made > /made\n" });
    await space.files("store-of", { "empty/": "" });
  });
  afterAll(async () => {
    await space?.[Symbol.asyncDispose]();
  });

  const within = (before: string, after: string, command: string): Promise<Outcome> => {
    const script = `${before}; varve() { "$NODE" "$VARVE" "$@"; }; varve build -q bb -t bb > /dev/null || exit 99; ${after}; varve ${command}`;
    const env = { NODE: process.execPath, VARVE, VARVE_HOME: join(space.root, "store-of/empty/store"), NO_COLOR: "1" };
    return runProgram("unshare", ["-m", "--propagation", "private", "sh", "-c", script, "sh", join(space.root, "store-of/empty")], { cwd: space.root, env });
  };

  const root = process.geteuid?.() === 0;
  it.runIf(root).each(Object.entries(PLACES))("says so once, with the remedy: %s", { timeout: 120_000 }, async (_name, { before, after = ":", says }) => {
    const { code, stderr } = await within(before, after, "build --no-cache step");
    expect(code).toBe(1);
    for (const text of says) expect(stderr).toContain(text);
    expect(stderr).not.toMatch(/bug of varve|\n {4}at /);
    expect(stderr.match(/^varve: /gm)).toHaveLength(1);
    expect(existsSync(join(space.root, "store-of/empty/store/snapshots/real/work/step-0"))).toBe(false);
  });

  it.runIf(root)("is diagnosed once for all rungs", async () => {
    const { code, stdout } = await within(":", "umount -l /proc", "doctor");
    expect(code).toBe(1);
    expect(stdout.match(/there is no \/proc/g)).toHaveLength(1);
    expect(stdout).toContain("→ mount it");
  });
});
