import { execFileSync } from "node:child_process";
import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { killDescendants } from "@varve/sandbox";
import { describeWithTools } from "@varve/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { onceAsleep, sleepers } from "./sleepers.ts";
import { createWorkspace, makeBusyboxRoot, type Outcome, runProgram, VARVE, type Workspace } from "./varve.ts";

const SECRET = `hunter2-that-leaves-no-trace-${process.pid}`;
/** Where rungs without mounts may keep what must reach no disk. */
const MEMORY = "/dev/shm";
const ORDINARY = 1000;

/** A rung, by name, and who takes it. */
interface Tried {
  readonly rung: string;
  readonly user: number;
  /** Secrets cannot be kept off the disk: when all processes are killed at once they stay until the next build. */
  readonly onDisk?: boolean;
}

const RUNGS: Readonly<Record<"core" | "long", readonly Tried[]>> = {
  core: [
    { rung: "namespace", user: 0 },
    { rung: "chroot", user: 0, onDisk: true },
    { rung: "proot", user: ORDINARY },
  ],
  long: [
    { rung: "oci", user: 0 },
    { rung: "userns", user: 0 },
    { rung: "bwrap", user: 0 },
    { rung: "namespace", user: ORDINARY },
    { rung: "proot", user: 0 },
  ],
};

/** How a build ends; `signal` goes to varve once the step waits, or to all that it started as well. */
const ENDS = [
  { end: "success", last: "true", code: 0 },
  { end: "failure", last: "exit 7", code: 1 },
  { end: "SIGINT", last: "wait", signal: "SIGINT", code: 130 },
  { end: "kill -9 of varve", last: "wait", signal: "SIGKILL", code: null },
  { end: "kill -9 of all it started", last: "wait", signal: "SIGKILL", all: true, code: null },
] as const;

/** Ends builds on rungs in every way, and looks for what is left of them. */
export function describeTraces(which: keyof typeof RUNGS): void {
  describeWithTools(["busybox", "bwrap", "proot", "runc", "setpriv"], "a RUN leaves nothing behind", () => describeRungs(RUNGS[which]));
}

function describeRungs(rungs: readonly Tried[]): void {
  let space: Workspace;
  beforeAll(async () => {
    space = await createWorkspace();
    await makeBusyboxRoot(join(space.root, "base/root"));
    await space.files("secret", { s: SECRET });
    await space.files("next", { Dockerfile: "FROM base\nRUN --mount=type=cache,target=/c true\n" });
    execFileSync("chmod", ["-R", "a+rX", space.root]);
  });
  afterAll(async () => {
    await space?.[Symbol.asyncDispose]();
  });

  describe.each(rungs)("on $rung as $user", ({ rung, user, onDisk = false }) => {
    const folders = (): Readonly<Record<"home" | "tmp", string>> => ({ home: join(own(), "home"), tmp: join(own(), "tmp") });
    const own = (): string => join(space.root, `${rung}-${user}`);
    beforeAll(() => {
      mkdirSync(own());
      for (const folder of [own(), ...Object.values(folders())]) {
        mkdirSync(folder, { recursive: true });
        chownSync(folder, user, user);
      }
    });
    const build = async (folder: string, onStart?: (child: { readonly pid: number }) => void): Promise<Outcome> => {
      const { home, tmp } = folders();
      const ids = user === 0 ? [] : [`--reuid=${user}`, `--regid=${user}`, "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"];
      const given = ["--build-context", `base=${join(space.root, "base/root")}`, "--secret", `id=s,src=${join(space.root, "secret/s")}`];
      return runProgram("setpriv", [...ids, "--", process.execPath, VARVE, "build", "--no-cache", "--sandbox", rung, ...given, join(space.root, folder)], {
        cwd: space.root,
        env: { VARVE_HOME: home, HOME: home, TMPDIR: tmp, NO_COLOR: "1" },
        ...(onStart === undefined ? {} : { onStart }),
      });
    };

    const secrets = (): string[] => [folders().home, folders().tmp].flatMap((folder) => filesWith(SECRET, folder));

    it.each(ENDS)("after $end", async ({ end, last, code, ...how }) => {
      const marker = `97${process.pid}${ENDS.findIndex((one) => one.end === end)}`;
      const waiting = last === "wait" ? `sleep ${marker}` : `sleep 0.2; ${last}`;
      const mounts = "--mount=type=secret,id=s --mount=type=tmpfs,target=/t --mount=type=cache,target=/c --mount=type=bind,target=/b";
      await space.files("app", {
        Dockerfile: `FROM base\nRUN ${mounts} grep -q hunter /run/secrets/s; setsid sleep ${marker} & sh -c 'sleep ${marker}' & ${waiting}\n`,
      });
      const outcome = await build("app", ({ pid }) => {
        if (!("signal" in how)) return;
        onceAsleep(marker, 3, () => {
          if ("all" in how) killTree(pid);
          else process.kill(pid, how.signal);
        });
      });
      expect(outcome.code, outcome.stderr).toBe(code);
      await expect.poll(() => sleepers(marker), { timeout: 20_000, interval: 50 }).toEqual([]);
      expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(space.root);
      expect(outcome.stderr + outcome.stdout).not.toContain(SECRET);
      const left = filesWith(SECRET, MEMORY).map((file) => dirname(file));
      const isKilled = code === null;
      const isAll = "all" in how;
      if (!isAll) expect(left).toEqual([]);
      if (!(onDisk && isAll)) expect(secrets()).toEqual([]);
      // the next build sweeps what a killed one could not
      if (isKilled) expect(await build("next")).toMatchObject({ code: 0 });
      expect(secrets()).toEqual([]);
      expect(left.filter((folder) => existsSync(folder))).toEqual([]);
      expect(readdirSync(folders().tmp)).toEqual([]);
      const { home } = folders();
      for (const form of readdirSync(join(home, "snapshots"))) {
        const work = join(home, "snapshots", form, "work");
        if (existsSync(work)) expect(readdirSync(work)).toEqual([]);
      }
      expect(readdirSync(join(home, "ingest"))).toEqual([]);
    });
  });
}

/** Kills a process and all below it at once: none can do anything when another ends. */
function killTree(pid: number): void {
  process.kill(pid, "SIGSTOP");
  killDescendants(pid);
  process.kill(pid, "SIGKILL");
}

function filesWith(text: string, folder: string): string[] {
  try {
    return execFileSync("grep", ["-rlaF", "--devices=skip", text, folder], { encoding: "utf8" }).trim().split("\n");
  } catch {
    // none of the files has it
    return [];
  }
}
