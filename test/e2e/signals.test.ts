import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createWorkspace, type Outcome, type Workspace } from "./varve.ts";

let space: Workspace;
beforeAll(async () => {
  space = await createWorkspace();
  await space.files("ctx", { Dockerfile: "FROM scratch\nCOPY a /\n", a: "a" });
  execFileSync("mkfifo", [join(space.root, "fifo")]);
});
afterAll(() => space[Symbol.asyncDispose]());

/** Runs a build, sending it signals one after the other once it waits. */
async function interrupted(args: readonly string[], ...signals: readonly NodeJS.Signals[]): Promise<Outcome> {
  return space.varve(["build", ...args, "ctx"], {
    onStart(child) {
      // no sign tells that it waits now: a signal that comes before is obeyed just the same
      for (const [at, signal] of signals.entries()) setTimeout(() => child.kill(signal), 1500 + at * 300);
    },
  });
}

it.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)("%s ends a build that waits for a Dockerfile's writer with %d", async (signal, code) => {
  expect(await interrupted(["-f", "fifo"], signal)).toMatchObject({ code, stderr: `varve: stopped by ${signal}\n` });
});

it("a Dockerfile may come out of a pipe", async () => {
  const built = space.varve(["build", "-f", "fifo", "--print", "ctx"]);
  execFileSync("sh", ["-c", `cat ctx/Dockerfile > fifo`], { cwd: space.root });
  expect((await built).stdout).toContain("COPY a /");
});

it("the second signal ends a build at once that waits where nothing can be given up", async () => {
  // open(2) of a pipe that nobody reads
  expect(await interrupted(["-o", "type=oci,dest=fifo"], "SIGTERM", "SIGTERM")).toMatchObject({ signal: "SIGTERM" });
});
