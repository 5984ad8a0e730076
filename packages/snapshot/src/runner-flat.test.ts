import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { collectBytes, streamOf } from "@varve/bytes";
import { EMPTY_TREE, type FileTree, indexLayer, mergeLayer, withParents, writeLayerTar } from "@varve/layer";
import { chrootDriver, noneDriver } from "@varve/sandbox";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createRunnerWith } from "./create-runner.ts";
import { isInMemory } from "./helper/memory-directory.ts";
import { busyboxEntries, fixtureRoot, type FixtureRoot, shellStep } from "./runner.fixture.ts";
import { available } from "./rung.fixture.ts";
import type { Runner, RunStep, StackedLayer } from "./runner.ts";

const SECRET = { kind: "file", target: "/run/secrets/s", content: Buffer.from("hunter2"), mode: 0o400, uid: 0, gid: 0 } as const;
const CACHE = { kind: "cache", target: "/cache", id: "c", sharing: "shared", readonly: false, mode: 0o755, uid: 0, gid: 0 } as const;

describe.skipIf(!available)("flat root filesystems", () => {
  let home = "";
  beforeEach(() => void (home = mkdtempSync(join(tmpdir(), "varve-flat-"))));
  afterEach(() => rmSync(home, { recursive: true, force: true }));
  const start = (): Runner => createRunnerWith([chrootDriver], { snapshots: `${home}/snapshots`, cacheMounts: `${home}/mounts`, sandbox: "chroot" });
  const files = (): string => execFileSync("find", [home, "-type", "f", "-size", "-100k"], { encoding: "utf8" });
  const holding = (text: string): string[] =>
    files()
      .split("\n")
      .filter((path) => path !== "" && readFileSync(path, "latin1").includes(text));

  it("moves one directory forward from step to step, from build to build, and brings it what other layers changed", async () => {
    const opened: string[] = [];
    let state = counted(await indexed(fixtureRoot(busyboxEntries())), "base", opened);
    {
      await using runner = start();
      state = counted(await advance(runner, state, "echo 1 > /one; rm /etc/group; mkdir /d; echo d > /d/f"), "first", opened);
      expect(opened).toEqual(["base"]);
      state = counted(await advance(runner, state, "echo 2 > /two"), "second", opened);
    }
    // as COPY would make it: a file for a directory, a directory for a file, one that is gone
    const copied = fixtureRoot([
      { path: "d", content: "file" },
      { path: "one", type: "directory" },
      { path: "one/inside", content: "i" },
      { path: ".wh.two", content: "" },
    ]);
    for (const layer of (await indexed(copied)).layers) state = { tree: mergeLayer(state.tree, await layer.index()), layers: [...state.layers, layer] };
    await using next = start();
    expect(await output(next, state, "cat /d /one/inside; ls /two 2>/dev/null; ls /etc")).toBe("fileihosts\npasswd\nresolv.conf\n");
    expect(opened).toEqual(["base"]);
  });

  it("finds what is mounted wherever the step moves it, and keeps caches", async () => {
    await using runner = start();
    const root = fixtureRoot([...busyboxEntries(), { path: "cache", type: "directory", mode: 0o711 }, { path: "cache/image", content: "i" }]);
    const mounts: RunStep["mounts"] = [SECRET, CACHE];
    const outcome = await runner.run(
      shellStep(root, "mv /run/secrets /kept; ln /kept/s /etc/s; mv /cache /moved; echo 1 > /moved/f; ln -s / /run/secrets; mkdir /cache", { mounts }),
    );
    const changes = Array.from((await outcome.changes()).changes, ({ kind, path }) => `${kind} ${path}`);
    // what is left of the directories made for mounts is the step's own
    expect(changes).toEqual(["modified etc", "added kept", "modified run", "added run/secrets"]);
    expect(holding("hunter2")).toEqual([]);
    await outcome[Symbol.asyncDispose]();
    expect(await output(runner, root, "cat /cache/f", { mounts })).toBe("1\n");
    expect(await output(runner, root, "cat /cache/image; stat -c %a /cache; ls /run")).toBe("i711\n");
  });

  it("leaves nothing of a mount that a step moves, and what the step puts in its place", async () => {
    await using runner = start();
    const base = fixtureRoot(busyboxEntries().filter(({ path }) => path !== "run"));
    const changes = async (script: string, mounts: RunStep["mounts"]): Promise<string[]> => {
      await using outcome = await runner.run(shellStep(base, script, { mounts }));
      return Array.from((await outcome.changes()).changes, ({ kind, path }) => `${kind} ${path}`);
    };
    expect(await changes("mv /run/secrets/s /x", [SECRET])).toEqual([]);
    expect(await changes("rm /tok; echo mine > /tok", [{ ...SECRET, target: "/tok" }])).toEqual(["added tok"]);
    // the same number may be given to the next file
    expect(await changes("rm /run/secrets/s; echo mine > /x", [SECRET])).toEqual(["added x"]);
    expect(await changes("rm /etc/hosts; echo mine > /etc/hosts", [])).toEqual(["modified etc"]);
  });

  it("names the first descriptors, though there is no /proc", async () => {
    await using runner = start();
    const lines = await output(runner, fixtureRoot(busyboxEntries()), "ls /dev/fd; cat /dev/fd/0 /dev/stdin; echo out > /dev/fd/1; echo err > /dev/fd/2");
    expect(lines.split("\n").toSorted()).toEqual(["", "0", "1", "2", "err", "out"]);
  });

  it("says that secrets are on the disk, where they are", async () => {
    await using runner = start();
    const told = async (mounts: RunStep["mounts"]): Promise<boolean> => {
      await using outcome = await runner.run(shellStep(fixtureRoot(busyboxEntries()), "true", { mounts }));
      return outcome.losses.some((loss) => loss.includes("secrets are files on the disk"));
    };
    expect(await told([CACHE])).toBe(false);
    expect(await told([SECRET])).toBe(!isInMemory(home));
  });

  it("keeps nothing of a step whose helper was killed but its caches", async () => {
    const root = fixtureRoot(busyboxEntries());
    {
      await using runner = start();
      expect(await output(runner, root, "echo 1 > /cache/f", { mounts: [CACHE] })).toBe("");
    }
    const marker = `${6_000_000 + Math.floor(Math.random() * 1_000_000)}`;
    {
      // what gives up at once waits for what is left, and must not wait for ever
      await using runner = start();
      const killed = runner.run(
        shellStep(root, "", {
          args: ["/bin/sh", "-c", "(setsid sleep $0 > /dev/null 2>&1 &); echo 2 >> /cache/f; mv /run/secrets /elsewhere; echo ready; sleep $0", marker],
          mounts: [SECRET, CACHE],
          onOutput() {
            expect(holding("hunter2")).toHaveLength(1);
            for (const pid of helpersOf(process.pid)) process.kill(pid, "SIGKILL");
          },
        }),
      );
      await expect(killed).rejects.toMatchObject({ code: "SANDBOX_HELPER_FAILED" });
    }
    await expect.poll(() => processesWith(marker), { timeout: 10_000 }).toEqual([]);
    expect(holding("hunter2")).toEqual([]);
    await using next = start();
    expect(await output(next, root, "cat /cache/f; ls / | grep elsewhere", { mounts: [CACHE] })).toBe("1\n2\n");
    expect(readdirSync(`${home}/snapshots/chroot/work`).filter((name) => name.endsWith(".lock"))).toHaveLength(1);
  });
});

async function indexed(
  root: FixtureRoot,
): Promise<{ readonly tree: FileTree; readonly layers: readonly (StackedLayer & Required<Pick<StackedLayer, "index">>)[] }> {
  const layers = root.layers.map(async (layer) => {
    const index = await indexLayer(await layer.openTar());
    return { ...layer, index: () => Promise.resolve(index) };
  });
  return { tree: root.tree, layers: await Promise.all(layers) };
}

describe("the sandbox none", () => {
  it("runs nothing, and says what would", async () => {
    const snapshots = mkdtempSync(join(tmpdir(), "varve-none-"));
    try {
      await using runner = createRunnerWith([noneDriver], { snapshots, cacheMounts: snapshots, sandbox: "none" });
      const step = shellStep({ tree: EMPTY_TREE, layers: [] }, "true");
      await expect(runner.run(step)).rejects.toMatchObject({ code: "SANDBOX_UNAVAILABLE", hint: expect.stringContaining("doctor") as string });
    } finally {
      rmSync(snapshots, { recursive: true, force: true });
    }
  });
});

/** The same with the last layer's tar counted when it is opened. */
function counted(state: FixtureRoot, name: string, opened: string[]): FixtureRoot {
  const layers = state.layers.map((layer, i) => (i < state.layers.length - 1 ? layer : { ...layer, openTar: () => (opened.push(name), layer.openTar()) }));
  return { ...state, layers };
}

async function output(runner: Runner, root: FixtureRoot, script: string, more: Partial<RunStep> = {}): Promise<string> {
  let text = "";
  await using outcome = await runner.run(shellStep(root, script, { ...more, onOutput: (_stream, chunk) => void (text += Buffer.from(chunk).toString()) }));
  await outcome.changes();
  return text;
}

/** Runs a step, and keeps what it changed as a layer. */
async function advance(runner: Runner, state: FixtureRoot, script: string): Promise<FixtureRoot> {
  await using outcome = await runner.run(shellStep(state, script));
  const { stream, finished } = writeLayerTar(withParents(state.tree, await outcome.changes()), outcome.reader);
  const tar = await collectBytes(stream, 1 << 20, () => new Error("large"));
  const { diffID, index } = await finished;
  await outcome.keep(diffID);
  const layer = { diffID, openTar: () => Promise.resolve(streamOf(tar)), index: () => Promise.resolve(index) };
  return { tree: mergeLayer(state.tree, index), layers: [...state.layers, layer] };
}

function processes(): { readonly pid: number; readonly parent: number; readonly command: readonly string[] }[] {
  return readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "latin1");
      const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
      return [{ pid: Number(name), parent, command: readFileSync(`/proc/${name}/cmdline`, "latin1").split("\0") }];
    } catch {
      return [];
    }
  });
}

function processesWith(argument: string): number[] {
  return processes().flatMap(({ pid, command }) => (command.includes(argument) ? [pid] : []));
}

/** Helpers that were started by launchers of a process. */
function helpersOf(pid: number): number[] {
  const all = processes();
  const launchers = new Set(all.flatMap((process_) => (process_.parent === pid ? [process_.pid] : [])));
  return all.flatMap(({ pid: found, parent, command }) => (launchers.has(parent) && command.some((text) => /helper/.test(text)) ? [found] : []));
}
