import { afterAll, beforeAll, expect, it } from "vitest";
import { createWorkspace, type Workspace } from "./varve.ts";

let space: Workspace;
beforeAll(async () => {
  space = await createWorkspace();
  await space.files("ctx", { Dockerfile: "FROM scratch\nCOPY a /\n", a: "a" });
  await space.ok(["build", "-t", "one", "-t", "two", "ctx"]);
});
afterAll(() => space[Symbol.asyncDispose]());

it("frees what no image needs, and tells beforehand what that is", async () => {
  expect((await space.ok(["prune"])).stdout).toBe("KIND   COUNT   SIZE\nFreed 0B\n");
  await space.ok(["rmi", "one", "two"]);
  expect((await space.ok(["du"])).stdout).toMatch(/^KIND +COUNT +SIZE +RECLAIMABLE\nblob +3 +\d+B +\d+B\n/);
  expect((await space.ok(["prune", "--dry-run", "--filter", "until=7d"])).stdout).toMatch(/^blob +2 +\d+B\nWould free \d+B\n/m);
  expect((await space.ok(["prune", "--all"])).stdout).toMatch(/^blob +3 +\d+B$/m);
  expect(JSON.parse((await space.ok(["du", "--json"])).stdout)).toEqual([]);
  await space.ok(["build", "-t", "one", "ctx"]);
});

it.each(["until=soon", "label=x", "until"])("refuses --filter %s", async (filter) => {
  const outcome = await space.varve(["prune", "--filter", filter]);
  expect([outcome.code, outcome.stderr]).toEqual([2, expect.stringMatching(/^varve: --filter.*\[CLI_USAGE\]/)]);
});
