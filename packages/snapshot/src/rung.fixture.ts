import { chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { collectBytes } from "@varve/bytes";
import type { Change } from "@varve/layer";
import { enterProgram, launcherArch, namespaceDriver, type SandboxDriver } from "@varve/sandbox";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { createRunnerWith } from "./create-runner.ts";
import { busyboxEntries, fixtureRoot, type FixtureRoot, shellStep } from "./runner.fixture.ts";
import type { Runner, RunOutcome, RunStep } from "./runner.ts";

const missing = existsSync("/bin/busybox") ? [] : ["busybox-static"];
/** Whether RUN can be tested here; a failure where CI=true. */
export const available: boolean = missing.length === 0 && process.getuid?.() === 0;
if (!available && process.env["CI"] === "true") throw new Error(`tests of RUN need root and ${missing.join(", ")}`);

/** The ids of the ordinary user. */
export const ORDINARY = 1000;
const ids = { uid: ORDINARY, gid: ORDINARY };
const asUser: SandboxDriver = {
  ...namespaceDriver,
  entries: () => [{ description: "as an ordinary user", program: (argv, env) => enterProgram({ arch: launcherArch(), argv, env, mapped: ids, as: ids }) }],
};
/** The rung with CAP_SYS_ADMIN. */
export const asRoot: SandboxDriver = { ...namespaceDriver, entries: () => namespaceDriver.entries().slice(0, 1) };

/** What a step wrote, how it ended, and what it changed: `kind path: type mode uid:gid content` a line. */
export interface Ran {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
  readonly signal: string | undefined;
  readonly changes: readonly Change[];
  readonly listing: string[];
}

/** A runner in one of its places, for the tests of a file. */
export interface Rung {
  /** There is a single id. */
  readonly one: boolean;
  readonly home: string;
  readonly runner: Runner;
  readonly root: FixtureRoot;
  run(script: string, more?: Partial<RunStep>, on?: FixtureRoot): Promise<Ran>;
}

/** Runs tests as root and as an ordinary user, and checks that nothing of the runner's work is left. */
export function describeRungs(title: string, tests: (rung: Rung) => void): void {
  for (const [place, driver] of [
    ["as root", asRoot],
    ["as an ordinary user", asUser],
  ] as const) {
    describe.skipIf(!available)(`${title} ${place}${available ? "" : ` (needs root and ${missing.join(", ")})`}`, () => {
      const one = driver === asUser;
      const state: { home: string; runner: Runner; root: FixtureRoot } = { home: "", runner: NO_RUNNER, root: { tree: fixtureRoot([]).tree, layers: [] } };
      beforeAll(() => {
        state.home = mkdtempSync(join(tmpdir(), "varve-run-"));
        const snapshots = `${state.home}/snapshots`;
        mkdirSync(snapshots, { mode: 0o700 });
        if (one) for (const path of [state.home, snapshots]) chownSync(path, ORDINARY, ORDINARY);
        state.root = fixtureRoot(busyboxEntries());
        state.runner = createRunnerWith([driver], { snapshots, cacheMounts: `${state.home}/cache/mounts`, sandbox: "auto" });
      });
      afterAll(async () => {
        await state.runner[Symbol.asyncDispose]();
        const left = readdirSync(`${state.home}/snapshots/${one ? "one" : "real"}/work`);
        rmSync(state.home, { recursive: true, force: true });
        expect(left).toEqual([]);
      });
      tests({
        one,
        get home() {
          return state.home;
        },
        get runner() {
          return state.runner;
        },
        get root() {
          return state.root;
        },
        run: (script, more = {}, on = state.root) => ran(state.runner, shellStep(on, script, more)),
      });
    });
  }
}

const NO_RUNNER: Runner = {
  rung: () => Promise.reject(new Error("not set up")),
  run: () => Promise.reject(new Error("not set up")),
  [Symbol.asyncDispose]: () => Promise.resolve(),
};

async function ran(runner: Runner, step: RunStep): Promise<Ran> {
  const text = { stdout: "", stderr: "" };
  await using outcome = await runner.run({ onOutput: (stream, chunk) => void (text[stream] += Buffer.from(chunk).toString()), ...step });
  const { changes } = await outcome.changes();
  const listing = await Promise.all(changes.map((change) => describeChange(change, outcome)));
  return { ...text, exitCode: outcome.exitCode, signal: outcome.signal, changes, listing };
}

async function describeChange(change: Change, outcome: RunOutcome): Promise<string> {
  if (change.kind === "deleted") return `deleted ${change.path}`;
  const { entry } = change;
  const end =
    entry.type === "symlink"
      ? ` -> ${entry.linkTarget ?? ""}`
      : entry.device !== undefined
        ? ` ${entry.device.major},${entry.device.minor}`
        : entry.content !== undefined && entry.size < 1000
          ? ` ${JSON.stringify(Buffer.from(await collectBytes(await outcome.reader.open(entry.content), 1000, () => new Error("large"))).toString())}`
          : "";
  return `${change.kind} ${change.path}: ${entry.type} ${entry.mode.toString(8)} ${entry.uid}:${entry.gid}${end}`;
}
