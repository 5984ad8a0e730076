#!/usr/bin/env node
// Compares varve with other builders and with physical limits in one run. Usage: node bench/run.mjs [--quick] [--files N] [--rounds N] [--only PART,…] [--peers PART,…] [--write FILE]
import { mkdtempSync, rmSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { buildProgram } from "../scripts/build.mjs";
import { measure } from "./measure.mjs";
import { findPeers } from "./peers.mjs";
import { startRegistry } from "./registry.mjs";
import { describeRun, tableOf, writeReport } from "./report.mjs";
import { limitsOf, makeContext, workloadsOf } from "./workloads.mjs";

const { values: options } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    files: { type: "string" },
    rounds: { type: "string" },
    only: { type: "string" },
    peers: { type: "string" },
    write: { type: "string" },
  },
});
const files = Number(options.files ?? (options.quick ? 4000 : 20_000));
const rounds = Number(options.rounds ?? (options.quick ? 1 : 3));
/** Seconds: where every peer takes less, a workload is measured so many times a round, since what disturbs it is as long as it. */
const FAST = 3;
const TURNS = 5;
/** Whether a name has one of the parts that were asked for. */
const chosen = (name, parts) => parts === undefined || parts.split(",").some((part) => name.includes(part.trim()));

const loadBefore = loadavg()[0];
const work = mkdtempSync(join(tmpdir(), "varve-bench-"));
process.on("exit", () => rmSync(work, { recursive: true, force: true }));
const context = join(work, "context");
await buildProgram();
makeContext(context, files);
const registry = await startRegistry(join(work, "registry"));
const peers = findPeers(work).filter((peer) => peer.name === "varve" || chosen(peer.name, options.peers));
const workloads = workloadsOf({ work, context, host: registry.host, files }).filter(
  (workload) => chosen(workload.name, options.only) && !(options.quick && workload.slow),
);
for (const workload of workloads) workload.make();

const results = new Map();
const keep = (workload, who, result) => {
  const key = `${workload}\t${who}`;
  results.set(key, [...(results.get(key) ?? []), result]);
  console.error(`${workload}, ${who}: ${result.seconds.toFixed(2)} s, ${result.cpu.toFixed(2)} CPU s, ${result.peak.toFixed(0)} MiB`);
};

// in turn, so that what disturbs the machine for a while disturbs all
for (let round = 0; round < rounds; round++) {
  for (const [name, program, args, prepare] of limitsOf(work, context)) {
    if (!chosen("limit", options.only)) continue;
    prepare();
    keep("limit", name, await measure(program, args));
  }
  for (const workload of workloads) {
    if (workload.slow && round > 0) continue;
    for (let turn = 0, longest = 0; turn < TURNS && longest < FAST; turn++) {
      for (const peer of peers) {
        await workload.prepare(peer, `${round}.${turn}`);
        const result = await peer.build(workload.build(`${round}-${performance.now()}`));
        keep(workload.name, peer.name, result);
        longest = Math.max(longest, result.seconds);
      }
    }
  }
}
for (const peer of peers) await peer.stop?.();
await registry[Symbol.asyncDispose]();

const report = `${describeRun({ files, rounds, load: [loadBefore, loadavg()[0]] })}\n\n${tableOf(results)}`;
console.log(report);
if (options.write !== undefined) writeReport(options.write, report);
