import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createWorkspace, VARVE, type Workspace } from "./varve.ts";

let space: Workspace;
let server: ChildProcess;
let host: string;

beforeAll(async () => {
  space = await createWorkspace();
  server = spawn(process.execPath, [VARVE, "serve", "--port", "0"], {
    env: { ...process.env, VARVE_HOME: join(space.root, "served") },
    stdio: ["ignore", "pipe", "ignore"],
  });
  host = await new Promise<string>((resolve, reject) => {
    server.once("exit", (code) => reject(new Error(`varve serve ended with ${code}`)));
    server.stdout?.once("data", (data: Buffer) => resolve(new URL(String(data).trim()).host));
  });
});
afterAll(async () => {
  server.removeAllListeners("exit");
  server.kill();
  await space[Symbol.asyncDispose]();
});

describe("the embedded registry", () => {
  it("takes a push, gives it back by tag and digest, and uploads nothing the second time", async () => {
    const context = await space.files("ctx", { Dockerfile: "FROM scratch\nCOPY a /a\n", a: "hello\n" });
    const name = `${host}/team/app:1`;
    await space.ok(["build", "-t", name, "--push", context]);
    const pulled = { env: { VARVE_HOME: join(space.root, "elsewhere") } };
    await space.ok(["pull", name], pulled);
    const shown = JSON.parse((await space.ok(["inspect", name], pulled)).stdout) as { descriptor: { digest: string } };
    const original = JSON.parse((await space.ok(["inspect", name])).stdout) as { descriptor: { digest: string } };
    expect(shown.descriptor.digest).toBe(original.descriptor.digest);
    await space.ok(["pull", `${host}/team/app@${shown.descriptor.digest}`], pulled);
    const again = await space.ok(["push", name]);
    expect(again.stdout.trim()).toBe(original.descriptor.digest);
    expect(again.stderr).toContain("0 blobs");
  });

  it("builds FROM what it serves", async () => {
    const context = await space.files("from", { Dockerfile: `FROM ${host}/team/app:1\nCOPY b /b\n`, b: "more\n" });
    await space.ok(["build", "-t", `${host}/team/next:1`, "--push", context], { env: { VARVE_HOME: join(space.root, "third") } });
    await space.ok(["pull", `${host}/team/next:1`], { env: { VARVE_HOME: join(space.root, "fourth") } });
  });

  it("refuses an image that is for another platform than the one asked for", async () => {
    const outcome = await space.varve(["pull", "--platform", "linux/s390x", `${host}/team/app:1`]);
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toMatch(/not for linux\/s390x \[OCI_NO_MATCHING_PLATFORM\]/);
  });

  it("says what is wrong with a tag that doesn't exist", async () => {
    const outcome = await space.varve(["pull", `${host}/team/app:none`]);
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toMatch(/team\/app:none.*\[REGISTRY_NOT_FOUND\]/);
  });
});
