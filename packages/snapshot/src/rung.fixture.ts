import { chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { collectBytes } from "@varve/bytes";
import type { Change } from "@varve/layer";
import {
  bubblewrapEntry,
  bwrapDriver,
  chrootDriver,
  enterProgram,
  findHostTool,
  landlockVersion,
  openLauncher,
  type Ids,
  launcherArch,
  namespaceDriver,
  ociDriver,
  privilegedEntry,
  prootDriver,
  type SandboxDriver,
  type SandboxEntry,
  superviseProgram,
  usernsDriver,
} from "@varve/sandbox";
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
/** The first of the ids that the ordinary user is given beside its own. */
const SUBORDINATE = 100_000;
const ids = { uid: ORDINARY, gid: ORDINARY };
const arch = launcherArch();
const launcher = await openLauncher([tmpdir()]);
const landlock = await landlockVersion(launcher.path);
launcher.close();

/** In a user namespace of the ordinary user, with one id. */
const withOneId: SandboxEntry = { description: "with one id", program: (argv, env) => enterProgram({ arch, argv, env, mapped: ids, as: ids }) };
/** In a user namespace of the ordinary user, with ids as newuidmap gives them. */
const withSubIds: SandboxEntry = {
  description: "with subordinate ids",
  program: (argv, env) => enterProgram({ arch, argv, env, mapped: "from outside", as: ids }),
  admit(pid) {
    for (const map of ["uid_map", "gid_map"]) writeFileSync(`/proc/${pid}/${map}`, `0 ${ORDINARY} 1\n1 ${SUBORDINATE} 65536\n`);
    return Promise.resolve();
  },
};

/** A rung, and who is on it. */
interface TestedRung {
  readonly title: string;
  readonly driver: SandboxDriver;
  readonly ids: Ids;
  /** Programs of the host it needs that are not there. */
  readonly missing: readonly string[];
}

function tested(driver: SandboxDriver, ids_: Ids, title: string, tools: readonly string[] = []): TestedRung {
  const entry = driver === bwrapDriver ? bubblewrapEntry(ids) : ids_ === "one" ? withOneId : ids_ === "shifted" ? withSubIds : privilegedEntry();
  return { title, driver: { ...driver, entries: () => [entry] }, ids: ids_, missing: tools.filter((tool) => findHostTool(tool) === undefined) };
}

/** A rung that needs nothing, entered as an ordinary user. */
function asOrdinary(driver: SandboxDriver): SandboxDriver {
  return { ...driver, entries: () => [{ description: "as an ordinary user", program: (argv, env) => superviseProgram(arch, argv, env, ids) }] };
}

/** Every rung in every place it differs in. */
const RUNGS: readonly TestedRung[] = [
  tested(namespaceDriver, "real", "on namespace, as root"),
  tested(namespaceDriver, "one", "on namespace, as an ordinary user"),
  tested(usernsDriver, "shifted", "on userns"),
  tested(ociDriver, "real", "on oci, as root", ["runc"]),
  tested(ociDriver, "one", "on oci, as an ordinary user", ["runc"]),
  tested(bwrapDriver, "one", "on bwrap", ["bwrap"]),
  { title: "on chroot", driver: chrootDriver, ids: "real", missing: [] },
  { title: "on proot", driver: asOrdinary(prootDriver), ids: "one", missing: findHostTool("proot") === undefined ? ["proot"] : [] },
];
/** The rung with CAP_SYS_ADMIN. */
export const asRoot: SandboxDriver = { ...namespaceDriver, entries: () => [privilegedEntry()] };

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
  readonly rung: string;
  readonly ids: Ids;
  /** There is a single id. */
  readonly one: boolean;
  /** A step has namespaces of its own. */
  readonly isolated: boolean;
  /** What is mounted read-only cannot be written to. */
  readonly refuses: boolean;
  /** It has a /proc. */
  readonly proc: boolean;
  readonly home: string;
  readonly runner: Runner;
  readonly root: FixtureRoot;
  run(script: string, more?: Partial<RunStep>, on?: FixtureRoot): Promise<Ran>;
}

/** Runs tests on every rung that works here, and checks that nothing of the runner's work is left. */
export function describeRungs(title: string, tests: (rung: Rung) => void): void {
  for (const { title: place, driver, ids: owners, missing: tools } of RUNGS) {
    const needs = [...missing, ...tools];
    if (needs.length > 0 && process.env["CI"] === "true") throw new Error(`tests ${place} need ${needs.join(", ")}`);
    const possible = available && needs.length === 0;
    describe.skipIf(!possible)(`${title} ${place}${possible ? "" : ` (needs root and ${needs.join(", ")})`}`, () => {
      const one = owners === "one";
      const state: { home: string; runner: Runner; root: FixtureRoot } = { home: "", runner: NO_RUNNER, root: { tree: fixtureRoot([]).tree, layers: [] } };
      beforeAll(() => {
        state.home = mkdtempSync(join(tmpdir(), "varve-run-"));
        const snapshots = `${state.home}/snapshots`;
        mkdirSync(snapshots, { mode: 0o700 });
        if (owners !== "real") for (const path of [state.home, snapshots]) chownSync(path, ORDINARY, ORDINARY);
        state.root = fixtureRoot(busyboxEntries());
        state.runner = createRunnerWith([driver], { snapshots, cacheMounts: `${state.home}/cache/mounts`, sandbox: driver.name });
      });
      afterAll(async () => {
        await state.runner[Symbol.asyncDispose]();
        const left = readdirSync(`${state.home}/snapshots`, { withFileTypes: true }).flatMap((form) =>
          form.isDirectory() ? readdirSync(`${state.home}/snapshots/${form.name}/work`) : [],
        );
        rmSync(state.home, { recursive: true, force: true });
        expect(left).toEqual([]);
      });
      tests({
        rung: driver.name,
        ids: owners,
        one,
        isolated: driver.isolation === "namespaces",
        refuses: driver.isolation === "namespaces" || (driver.name === "proot" && landlock > 0),
        proc: driver.placed !== true,
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
  const changes = [...(await outcome.changes()).changes];
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
