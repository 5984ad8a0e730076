#!/usr/bin/env node
// What a RUN that changes three files costs on each rung, in an image of many files, beside one walk of them. Usage: node bench/rungs.mjs [--files N] [--steps N] [--only RUNG,…]
import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { buildProgram } from "../scripts/build.mjs";
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

const seconds = (program, args, env = process.env) => {
  const start = performance.now();
  const { status, stderr } = spawnSync(program, args, { env, encoding: "utf8", stdio: ["ignore", "ignore", "pipe"] });
  if (status !== 0) throw new Error(`${program} ended with ${status}: ${stderr}`);
  return (performance.now() - start) / 1000;
};
const base = 'FROM scratch\nCOPY busybox /bin/sh\nCOPY busybox /bin/busybox\nCOPY files /files\nRUN ["/bin/busybox","true"]\n';
const change = (i) => `RUN cd /files/d0/e${i} && echo ${i} > file-number-${i * 100}.js && rm file-number-${i * 100 + 1}.js && echo ${i} > new\n`;

const walk = seconds("find", [join(context, "files"), "-printf", "%p %i %s %C@ %m %U\n"]);
console.log(`one walk of ${files} files by find -printf: ${walk.toFixed(2)} s (load ${loadavg()[0].toFixed(1)})`);
for (const rung of options.only.split(",")) {
  const build = (dockerfile) => {
    writeFileSync(join(context, "Dockerfile"), dockerfile);
    return seconds(process.execPath, [VARVE, "build", "-q", "--sandbox", rung, context], { ...process.env, VARVE_HOME: join(work, rung) });
  };
  build(base);
  const cached = build(base);
  const all = build(base + Array.from({ length: steps }, (_, i) => change(i)).join(""));
  console.log(
    `${rung}: ${((all - cached) / steps).toFixed(2)} s a step, of which the helper's start is a part; ${((all - cached) / steps / walk).toFixed(1)} walks`,
  );
}
