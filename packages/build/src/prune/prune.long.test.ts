import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { openImage } from "@varve/image";
import { openStore } from "@varve/store";
import { bundleChildProgram, type ChildProgramRun } from "@varve/testkit";
import { expect, test } from "vitest";
import { pruneStore } from "./prune.ts";

const BUILDERS = 8;
const SECONDS = 60;

test(`${BUILDERS} builders on one store for ${SECONDS} s, pruned all the time, one killed a second: no image loses a blob`, { timeout: 600_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), "varve-prune-long-"));
  const home = join(folder, "home");
  const child = await bundleChildProgram(fileURLToPath(new URL("prune.child.ts", import.meta.url)), folder);
  const start = async (at: number): Promise<ChildProgramRun> => {
    await mkdir(join(folder, `context${at}`), { recursive: true });
    await writeFile(join(folder, `context${at}`, "file"), "x");
    return child.start(home, join(folder, `context${at}`), `app${at}`);
  };
  const runs = await Promise.all(Array.from({ length: BUILDERS }, (_, at) => start(at)));
  await Promise.all(runs.map((run) => run.printed("built")));
  const done = new AbortController();
  let prunes = 0;
  let freed = 0;
  const pruning = (async () => {
    for (; !done.signal.aborted; prunes++) {
      const { removed } = await pruneStore({ home, unusedFor: -1000, all: prunes % 3 === 0 });
      freed += removed.reduce((sum, row) => sum + row.count, 0);
      await sleep(20);
    }
  })();
  let builds = 0;
  for (let second = 0; second < SECONDS; second++) {
    await sleep(1000);
    const at = second % BUILDERS;
    const run = runs[at];
    if (run === undefined) continue;
    run.process.kill("SIGKILL");
    const { stdout, stderr } = await run.ended;
    expect(stderr).toBe("");
    builds += stdout.split("built").length - 1;
    runs[at] = await start(at);
  }
  for (const run of runs) {
    run.process.kill("SIGKILL");
    const { stdout, stderr } = await run.ended;
    expect(stderr).toBe("");
    builds += stdout.split("built").length - 1;
  }
  done.abort();
  await pruning;
  await using store = await openStore({ root: home });
  const refs = await store.refs();
  expect(refs).toHaveLength(BUILDERS);
  for (const { descriptor } of refs) {
    const image = await openImage(store, descriptor);
    for (const layer of image.layers) for await (const _ of await layer.open()) continue;
  }
  await pruneStore({ home, all: true });
  expect(await readdir(join(home, "leases"))).toEqual([]);
  console.log(`${builds} builds read back whole, ${prunes} prunes removed ${freed} things`);
  await rm(folder, { recursive: true });
});
