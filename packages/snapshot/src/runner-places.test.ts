import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BytePath, collectBytes, streamOf } from "@varve/bytes";
import { createTreeBuilder, mergeLayer, withParents, writeLayerTar } from "@varve/layer";
import { createProgram, enterProgram, launcherArch, namespaceDriver, type Program, type SandboxDriver } from "@varve/sandbox";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createRunnerWith } from "./create-runner.ts";
import { busyboxEntries, fixtureRoot, shellStep } from "./runner.fixture.ts";
import { asRoot, available } from "./rung.fixture.ts";

function shutDoor(): Program {
  const program = createProgram(launcherArch());
  program.call("open the door", "chdir", program.string("/nonexistent/door"));
  return program.finish();
}

describe.skipIf(!available)("a data directory that overlays cannot be written to", () => {
  it("keeps changes in memory, and snapshots without marks of deleted files", async () => {
    const home = mkdtempSync(join(tmpdir(), "varve-run-"));
    for (const name of ["snapshots", "l", "u", "w"]) mkdirSync(`${home}/${name}`);
    // as in a container: its root is an overlay itself; mounted where only the helper sees it
    const mountFirst = 'mount -t overlay overlay -o "lowerdir=$0/l,upperdir=$0/u,workdir=$0/w" "$0/snapshots" && exec "$@"';
    const inContainer: SandboxDriver = {
      ...namespaceDriver,
      entries: () => [
        { description: "inside", program: (argv, env) => enterProgram({ arch: launcherArch(), argv: ["/bin/sh", "-c", mountFirst, home, ...argv], env }) },
      ],
    };
    try {
      await using runner = createRunnerWith([inContainer], { snapshots: `${home}/snapshots`, cacheMounts: `${home}/mounts`, sandbox: "auto" });
      const root = fixtureRoot(busyboxEntries());
      await using first = await runner.run(shellStep(root, "rm /etc/group; echo 1 > /one"));
      expect(first.losses).toEqual([expect.stringContaining("kept in memory") as string]);
      const changes = await first.changes();
      const { stream, finished } = writeLayerTar(withParents(root.tree, changes), first.reader);
      const tar = await collectBytes(stream, 1 << 20, () => new Error("large"));
      const { diffID, index } = await finished;
      await first.keep(diffID);
      const next = {
        tree: mergeLayer(root.tree, index),
        layers: [...root.layers, { diffID, openTar: () => Promise.resolve(streamOf(tar)), index: () => Promise.resolve(index) }],
      };
      let seen = "";
      await using second = await runner.run(
        shellStep(next, "cat /one; ls /etc", { onOutput: (_stream, chunk) => void (seen += Buffer.from(chunk).toString()) }),
      );
      expect(seen).toBe("1\nhosts\npasswd\nresolv.conf\n");
      expect([...(await second.changes()).changes]).toEqual([]);
    } finally {
      rmSync(home, { recursive: true, force: true });
    }
  });
});

describe.skipIf(!available)("a stack of very many layers", () => {
  it("is unpacked as one", async () => {
    const home = mkdtempSync(join(tmpdir(), "varve-run-"));
    try {
      await using runner = createRunnerWith([asRoot], { snapshots: `${home}/snapshots`, cacheMounts: `${home}/mounts`, sandbox: "auto" });
      const base = fixtureRoot(busyboxEntries());
      const builder = createTreeBuilder(base.tree);
      const layers = [...base.layers];
      for (let i = 0; i < 400; i++) {
        const layer = fixtureRoot([{ path: `f${i}`, content: `${i}` }]);
        const entry = layer.tree.lookup(`f${i}` as BytePath);
        if (entry !== undefined) builder.set(entry);
        layers.push(...layer.layers);
      }
      let seen = "";
      await using outcome = await runner.run(
        shellStep({ tree: builder.finish(), layers }, "cat /f0 /f399; ls /f* | wc -l", {
          onOutput: (_stream, chunk) => void (seen += Buffer.from(chunk).toString()),
        }),
      );
      expect(seen).toBe("0399400\n");
      expect((await outcome.changes()).changes).toEqual([]);
    } finally {
      rmSync(home, { recursive: true, force: true });
    }
  });
});

describe("createRunner", () => {
  let home: string;
  let places: { readonly snapshots: string; readonly cacheMounts: string };
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), "varve-run-"));
    places = { snapshots: `${home}/snapshots`, cacheMounts: `${home}/mounts` };
  });
  afterEach(() => rmSync(home, { recursive: true }));

  it("names the sandboxes there are when asked for another", async () => {
    await using runner = createRunnerWith([namespaceDriver], { ...places, sandbox: "cloud" });
    await expect(runner.rung()).rejects.toMatchObject({ code: "SANDBOX_UNAVAILABLE", hint: "one of auto, namespace" });
  });
  it("refuses a sandbox that does not isolate where that is required", async () => {
    const open: SandboxDriver = { ...namespaceDriver, name: "open", isolation: "none" };
    await using runner = createRunnerWith([open, namespaceDriver], { ...places, requireIsolation: true, sandbox: "open" });
    await expect(runner.rung()).rejects.toMatchObject({ code: "SANDBOX_NOT_ISOLATED", hint: expect.stringContaining("namespace") as string });
  });

  it("tells why no way into a sandbox works", async () => {
    const broken: SandboxDriver = { ...namespaceDriver, entries: () => [{ description: "by a door that is shut", program: shutDoor }] };
    await using runner = createRunnerWith([broken], { ...places, sandbox: "auto" });
    await expect(runner.rung()).rejects.toMatchObject({ code: "SANDBOX_UNAVAILABLE", details: ["by a door that is shut: cannot open the door: ENOENT"] });
  });
});
