#!/usr/bin/env node
// What a RUN that changes three files costs on each rung, in an image of many files, beside one walk of them. Usage: node bench/rungs.mjs [--files N] [--steps N] [--only RUNG,…]
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { buildProgram } from "../scripts/build.mjs";
import { measure } from "./measure.mjs";
import { VARVE } from "./peers.mjs";
import { makeEmptyFiles } from "./workload.mjs";

const { values: options } = parseArgs({
  options: {
    files: { type: "string", default: "100000" },
    steps: { type: "string", default: "5" },
    only: { type: "string", default: "namespace,chroot,proot" },
  },
});
const files = Number(options.files);
const steps = Number(options.steps);
const work = mkdtempSync(join(tmpdir(), "varve-rungs-"));
process.on("exit", () => rmSync(work, { recursive: true, force: true }));
const context = join(work, "context");
mkdirSync(context);
makeEmptyFiles(join(context, "files"), files);
copyFileSync(execFileSync("sh", ["-c", "command -v busybox"], { encoding: "utf8" }).trim(), join(context, "busybox"));
await buildProgram();

const base = 'FROM scratch\nCOPY busybox /bin/sh\nCOPY busybox /bin/busybox\nCOPY files /files\nRUN ["/bin/busybox","true"]\n';
const change = (i) => `RUN cd /files/d0/e${i} && echo ${i} > file-number-${i * 100}.js && rm file-number-${i * 100 + 1}.js && echo ${i} > new\n`;

const walk = await measure("sh", ["-c", 'find "$1" -printf "%p %i %s %C@ %m %U\\n" >/dev/null', "sh", join(context, "files")]);
const row = (...cells) => console.log(`| ${cells.join(" | ")} |`);
console.log(`${files} files; ${cpus().length} × ${cpus()[0]?.model.trim()}, load average ${loadavg()[0].toFixed(1)}; Node ${process.version}\n`);
row("rung", "first step: wall s", "CPU s", "each further step: wall s", "CPU s", "CPU, in walks");
row("---", "---", "---", "---", "---", "---");
row("one walk by find -printf", "", "", walk.seconds.toFixed(2), walk.cpu.toFixed(2), "1.0");
for (const rung of options.only.split(",")) {
  const build = async (dockerfile) => {
    writeFileSync(join(context, "Dockerfile"), dockerfile);
    return await measure(process.execPath, [VARVE, "build", "-q", "--sandbox", rung, context], { env: { ...process.env, VARVE_HOME: join(work, rung) } });
  };
  await build(base);
  const cached = await build(base);
  const first = await build(base + change(0));
  const all = await build(base + Array.from({ length: steps + 1 }, (_, i) => change(i)).join(""));
  const cells = (cost, less, share) => [(cost.seconds - less.seconds) / share, (cost.cpu - less.cpu) / share].map((value) => value.toFixed(2));
  const step = (all.cpu - first.cpu) / steps;
  row(rung, ...cells(first, cached, 1), ...cells(all, first, steps), (step / walk.cpu).toFixed(1));
}
