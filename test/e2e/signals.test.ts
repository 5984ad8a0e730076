import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createWorkspace, type Outcome, VARVE, type Workspace } from "./varve.ts";

let space: Workspace;
beforeAll(async () => {
  space = await createWorkspace();
  await space.files("ctx", { Dockerfile: "FROM scratch\nCOPY a /\n", a: "a" });
  execFileSync("mkfifo", [join(space.root, "fifo")]);
});
afterAll(() => space[Symbol.asyncDispose]());

/** Whether the program has begun to handle signals: SIGHUP is the one that Node leaves alone. */
function catchesHangup(pid: number): boolean {
  const caught = /^SigCgt:\s+([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? "0";
  return (BigInt(`0x${caught}`) & 1n) === 1n;
}

/** Runs a build that gets a signal while it waits for a Dockerfile. */
async function interrupted(signal: NodeJS.Signals): Promise<Outcome> {
  return space.varve(["build", "-f", "fifo", "ctx"], {
    async onStart(child) {
      while (!catchesHangup(child.pid)) await wait(50);
      // no sign tells that it waits now: a signal that comes before is obeyed just the same
      await wait(300);
      child.kill(signal);
    },
  });
}

it.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129],
] as const)("%s ends a build that waits for a Dockerfile's writer with %d", async (signal, code) => {
  expect(await interrupted(signal)).toMatchObject({ code, stderr: `varve: stopped by ${signal}\n` });
});

it("a Dockerfile may come out of a pipe", async () => {
  const built = space.varve(["build", "-f", "fifo", "--print", "ctx"]);
  execFileSync("sh", ["-c", `cat ctx/Dockerfile > fifo`], { cwd: space.root });
  expect((await built).stdout).toContain("COPY a /");
});

it("the second signal ends a build at once that waits where nothing can be given up", async () => {
  const ended = await space.varve(["build", "--progress", "plain", "-o", "type=oci,dest=fifo", "ctx"], {
    async onStart(child) {
      // what follows is open(2) of a pipe that nobody reads
      await child.told("exporting layers");
      child.kill("SIGTERM");
      await wait(300);
      child.kill("SIGTERM");
    },
  });
  expect(ended).toMatchObject({ signal: "SIGTERM" });
});

it("goes on when what it says can't be written", () => {
  const told = execFileSync("sh", ["-c", '"$@" 2> /dev/full', "sh", process.execPath, VARVE, "build", "--iidfile", "iid", "ctx"], {
    cwd: space.root,
    env: { ...process.env, VARVE_HOME: join(space.root, "quiet") },
  });
  expect(told.toString()).toBe("");
  expect(readFileSync(join(space.root, "iid"), "utf8")).toMatch(/^sha256:/);
});
