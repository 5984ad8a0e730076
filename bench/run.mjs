#!/usr/bin/env node
// Compares varve with buildah and physical limits on the same data in one run. Usage: node bench/run.mjs [--files N] [--rounds N] [--big GIB] [--append FILE]
import { execFileSync, spawnSync } from "node:child_process";
import { appendFileSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildProgram } from "../scripts/build.mjs";
import { measure, median } from "./measure.mjs";
import { startRegistry } from "./registry.mjs";
import { makeTree } from "./workload.mjs";

const option = (name, fallback) => Number(process.argv[process.argv.indexOf(name) + 1] || fallback) || fallback;
const files = option("--files", 20_000);
const rounds = option("--rounds", 3);
/** GiB of zeros in one file; 0 leaves that workload out. */
const big = option("--big", 0);
const startLoad = loadavg()[0].toFixed(1);
const work = mkdtempSync(join(tmpdir(), "varve-bench-"));
const context = join(work, "context");
const varve = fileURLToPath(new URL("../packages/cli/bin/varve.js", import.meta.url));

function has(tool) {
  try {
    execFileSync(tool, ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

const fresh = (name) => {
  const folder = join(work, name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  return folder;
};

const ownEnvironment = { ...process.env, VARVE_HOME: join(work, "varve") };
/** `build`: `args` are given to the program, `push` sends the image where its name says. */
const peers = [
  {
    name: "varve",
    reset: () => fresh("varve"),
    build: ({ folder, name = "bench", args = [], push = false }) => {
      const flags = push ? ["--push", "--insecure-registry", name.split("/")[0]] : [];
      return measure(process.execPath, [varve, "build", "-q", ...args, ...flags, "-t", name, folder], { env: ownEnvironment });
    },
  },
];
if (has("buildah")) {
  const storage = ["--root", join(work, "buildah/root"), "--runroot", join(work, "buildah/run"), "--storage-driver", "vfs"];
  peers.push({
    name: "buildah --layers",
    reset: () => fresh("buildah"),
    // an OCI layout is what varve's store is: both end with compressed blobs on disk
    build: async ({ folder, name = "bench", args = [], push = false }) => {
      const target = push ? `docker://${name}` : `oci:${join(work, "buildah/layout")}:bench`;
      const plain = "--tls-verify=false";
      const built = await measure("buildah", [...storage, "build", "--layers", "--isolation", "chroot", plain, "-q", ...args, "-t", name, folder]);
      const saved = await measure("buildah", [...storage, "push", "-q", plain, name, target]);
      return { seconds: built.seconds + saved.seconds, peak: Math.max(built.peak, saved.peak) };
    },
  });
}

const limits = [
  ["tar c | sha256sum", "sh", ["-c", 'tar c "$1" | sha256sum', "sh", context]],
  ["find -printf", "sh", ["-c", 'find "$1" -printf "%p %s %T@ %i\\n" >/dev/null', "sh", context]],
  ["node -e 0", process.execPath, ["-e", "0"]],
  ...(has("pigz") ? [["tar c | pigz", "sh", ["-c", 'tar c "$1" | pigz >/dev/null', "sh", context]]] : []),
];

const nothing = () => {};
const copied = { folder: context };
const steps = join(work, "steps");
const onTop = join(work, "on-top");
const one = join(work, "one");
const workloads = [
  { name: "cold COPY", prepare: (peer) => peer.reset(), build: () => copied },
  { name: "nothing changed", prepare: nothing, build: () => copied },
  { name: "one 1 KB file changed", prepare: (_, round) => writeFileSync(join(context, "d0/e0/changed.js"), `// ${round}\n`.repeat(128)), build: () => copied },
];

await buildProgram();
makeTree(context, { files, meanSize: 15_000, seed: 1 });
writeFileSync(join(context, "Dockerfile"), "FROM scratch\nCOPY . /app\n");
const registry = await startRegistry(join(work, "registry"), varve);
const busybox = spawnSync("sh", ["-c", "command -v busybox"], { encoding: "utf8" }).stdout.trim();
if (busybox !== "") {
  mkdirSync(steps);
  copyFileSync(busybox, join(steps, "sh"));
  const runs = Array.from({ length: 10 }, (_, i) => `RUN echo $ROUND > /f${i}\n`).join("");
  writeFileSync(join(steps, "Dockerfile"), `FROM scratch\nCOPY sh /bin/sh\nARG ROUND\n${runs}`);
  workloads.push({ name: "ten RUNs", prepare: nothing, build: (round) => ({ folder: steps, args: ["--build-arg", `ROUND=${round}`] }) });
}
mkdirSync(onTop);
writeFileSync(join(onTop, "file"), "x".repeat(1000));
writeFileSync(join(onTop, "Dockerfile"), `FROM ${registry.host}/base:1\nCOPY file /file\n`);
const pushed = (round) => ({ folder: onTop, name: `${registry.host}/out:r${round}`, push: true });
workloads.push({ name: "pull + COPY + push, cold", prepare: (peer) => peer.reset(), build: pushed });
workloads.push({ name: "the same, base known", prepare: () => writeFileSync(join(onTop, "file"), `${performance.now()}`), build: pushed });
if (big > 0) {
  mkdirSync(one);
  writeFileSync(join(one, "file"), "");
  truncateSync(join(one, "file"), big * 2 ** 30);
  writeFileSync(join(one, "Dockerfile"), "FROM scratch\nCOPY file /file\n");
  workloads.push({ name: `one file of ${big} GiB, zeros`, prepare: (peer) => peer.reset(), build: () => ({ folder: one }) });
}
fresh("varve");
await peers[0].build({ folder: context, name: `${registry.host}/base:1`, push: true });

const results = new Map();
const keep = (workload, name, result) => {
  const key = `${workload}\t${name}`;
  results.set(key, [...(results.get(key) ?? []), result]);
};
for (let round = 0; round < rounds; round++) {
  for (const [name, program, args] of limits) keep("limit", name, await measure(program, args));
  for (const workload of workloads) {
    for (const peer of peers) {
      workload.prepare(peer, `${round} ${peer.name}`);
      keep(workload.name, peer.name, await peer.build(workload.build(round)));
    }
  }
}

await registry[Symbol.asyncDispose]();

/** A pipe in a cell would end it. */
const cell = (text) => text.replaceAll("|", "\\|");
const lines = [
  [
    `${files} files, rounds: ${rounds}`,
    `${cpus().length} × ${cpus()[0]?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB, load average ${startLoad} before and ${loadavg()[0].toFixed(1)} after`,
    `Node ${process.version}, commit ${execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim()}`,
  ].join("; "),
  "",
  "| workload | who | median s | ratio to varve | peak MiB |",
  "|---|---|---|---|---|",
];
for (const [key, values] of results) {
  const [workload, name] = key.split("\t");
  const seconds = median(values.map((value) => value.seconds));
  const own = results.get(`${workload}\tvarve`);
  const ratio = own === undefined ? "" : (seconds / median(own.map((value) => value.seconds))).toFixed(2);
  lines.push(`| ${workload} | ${cell(name)} | ${seconds.toFixed(2)} | ${ratio} | ${Math.round(median(values.map((value) => value.peak)))} |`);
}
console.log(lines.join("\n"));
const outputAt = process.argv.indexOf("--append");
if (outputAt > 0) appendFileSync(process.argv[outputAt + 1], `${lines.join("\n")}\n`);
process.on("exit", () => rmSync(work, { recursive: true, force: true }));
