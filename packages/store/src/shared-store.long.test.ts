import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { bundleChildProgram, type ChildProgramRun } from "@varve/testkit";
import { expect, test } from "vitest";
import { openStore } from "./index.ts";

const PROCESSES = 8;
const KILLS = 300;

test(`${PROCESSES} processes on one store, ${KILLS} times one of them is killed: nothing is corrupt, nothing is left`, { timeout: 600_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), "varve-kills-"));
  const root = join(folder, "store");
  const child = await bundleChildProgram(fileURLToPath(new URL("shared-store.child.ts", import.meta.url)), folder);
  const start = (at: number): ChildProgramRun => child.start(root, "pushForever", `app${at}`);
  const runs = Array.from({ length: PROCESSES }, (_, at) => start(at));
  for (let kill = 0; kill < KILLS; kill++) {
    const at = kill % PROCESSES;
    await runs[at]!.printed("pushing");
    await sleep(Math.random() * 40);
    runs[at]!.process.kill("SIGKILL");
    expect((await runs[at]!.ended).stderr).toBe("");
    runs[at] = start(at);
  }
  await Promise.all(runs.map((run) => (run.process.kill("SIGKILL"), run.ended)));

  const store = await openStore({ root });
  await (await store.ingest()).abort();
  expect((await readdir(join(root, "ingest"))).filter((name) => !name.endsWith(".lock"))).toHaveLength(1);
  for (const name of await readdir(join(root, "blobs/sha256"))) {
    const bytes = await readFile(join(root, "blobs/sha256", name));
    expect(createHash("sha256").update(bytes).digest("hex")).toBe(name);
  }
  const refs = await store.refs();
  expect(refs).toHaveLength(new Set(refs.map((ref) => ref.name)).size);
  for (const ref of refs) expect(await store.has(ref.descriptor)).toBe(true);
  await store[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});
