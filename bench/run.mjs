#!/usr/bin/env node
// Compares varve with buildah and physical limits on the same data in one run. Usage: node bench/run.mjs [--files N] [--rounds N]
import { execFileSync } from "node:child_process";
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildProgram } from "../scripts/build.mjs";
import { measure, median } from "./measure.mjs";
import { makeTree } from "./workload.mjs";

const option = (name, fallback) => Number(process.argv[process.argv.indexOf(name) + 1] || fallback) || fallback;
const files = option("--files", 20_000);
const rounds = option("--rounds", 3);
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

const peers = [
  {
    name: "varve",
    reset: () => fresh("varve"),
    build: () => measure(process.execPath, [varve, "build", "-q", "-t", "bench", context], { env: { ...process.env, VARVE_HOME: join(work, "varve") } }),
  },
];
if (has("buildah")) {
  const storage = ["--root", join(work, "buildah/root"), "--runroot", join(work, "buildah/run"), "--storage-driver", "vfs"];
  peers.push({
    name: "buildah --layers",
    reset: () => fresh("buildah"),
    // an OCI layout is what varve's store is: both end with compressed blobs on disk
    build: async () => {
      const built = await measure("buildah", [...storage, "build", "--layers", "-q", "-t", "bench", context]);
      const saved = await measure("buildah", [...storage, "push", "-q", "bench", `oci:${join(work, "buildah/layout")}:bench`]);
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

const workloads = [
  { name: "cold COPY", prepare: (peer) => peer.reset() },
  { name: "nothing changed", prepare: () => {} },
  { name: "one 1 KB file changed", prepare: (_, round) => writeFileSync(join(context, "d0/e0/changed.js"), `// ${round}\n`.repeat(128)) },
];

await buildProgram();
makeTree(context, { files, meanSize: 15_000, seed: 1 });
writeFileSync(join(context, "Dockerfile"), "FROM scratch\nCOPY . /app\n");

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
      keep(workload.name, peer.name, await peer.build());
    }
  }
}

const lines = [
  `${files} files, ${rounds} rounds, ${cpus().length} × ${cpus()[0]?.model.trim()}, Node ${process.version}, commit ${execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim()}`,
  "",
  "| workload | who | median s | ratio to varve | peak MiB |",
  "|---|---|---|---|---|",
];
for (const [key, values] of results) {
  const [workload, name] = key.split("\t");
  const seconds = median(values.map((value) => value.seconds));
  const own = results.get(`${workload}\tvarve`);
  const ratio = own === undefined ? "" : (seconds / median(own.map((value) => value.seconds))).toFixed(2);
  lines.push(`| ${workload} | ${name} | ${seconds.toFixed(2)} | ${ratio} | ${Math.round(median(values.map((value) => value.peak)))} |`);
}
console.log(lines.join("\n"));
const outputAt = process.argv.indexOf("--append");
if (outputAt > 0) appendFileSync(process.argv[outputAt + 1], `${lines.join("\n")}\n`);
rmSync(work, { recursive: true, force: true });
