import { cp } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describeWithTools } from "@varve/testkit";
import { expect, it } from "vitest";
import { makeBaseRoot } from "../../scripts/demo-base.mjs";
import { createWorkspace } from "./varve.ts";

const EXAMPLE = fileURLToPath(new URL("../../examples/greeting", import.meta.url));

describeWithTools(["unshare", "ldd"], "examples/greeting", () => {
  it("builds on the demo's own base and says what was built into it", async () => {
    await using space = await createWorkspace();
    makeBaseRoot(join(space.root, "base/root"));
    await space.files("base", { Dockerfile: "FROM scratch\nCOPY root/ /\nENV PATH=/usr/local/bin:/bin\n" });
    await space.ok(["build", "-t", "base:1", "base"]);
    await cp(EXAMPLE, join(space.root, "greeting"), { recursive: true });
    await space.ok(["build", "-t", "greeting:1", "--build-arg", "BASE=base:1", "--build-arg", "VERSION=7", "greeting"]);
    const { stdout } = await space.ok(["run", "-e", "GREETING=Hi", "greeting:1"]);
    expect(stdout).toMatch(/^greeting 7, built for \S+\nHi, clay!\nHi, ice!\nHi, mud!\nHi, sand!\n\(4 names, uid 1000\)\n$/);
  });
});
