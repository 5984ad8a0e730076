#!/usr/bin/env node
// Parses the same Dockerfiles with @varve/dockerfile and two parsers from npm in one run. Usage: node bench/parse.mjs [--files N] [--rounds N] [--append FILE]
import { execFileSync } from "node:child_process";
import { appendFileSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus, loadavg, totalmem } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildProgram } from "../scripts/build.mjs";
import { makeDockerfiles } from "./dockerfiles.mjs";
import { median } from "./measure.mjs";

const option = (name, fallback) => Number(process.argv[process.argv.indexOf(name) + 1] || fallback) || fallback;
const files = option("--files", 10_000);
const rounds = option("--rounds", 5);
const root = fileURLToPath(new URL("..", import.meta.url));
const PEERS = { "dockerfile-ast": "0.7.1", "docker-file-parser": "1.0.7" };

/** The peers, installed outside of the workspace when they aren't there yet. */
function loadPeers() {
  const folder = join(root, ".work", "parse-peers");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, dependencies: PEERS }));
  const missing = Object.entries(PEERS).some(([name]) => !existsSync(join(folder, "node_modules", name)));
  if (missing) execFileSync("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error"], { cwd: folder, stdio: "inherit" });
  return createRequire(join(folder, "package.json"));
}

await buildProgram();
const { parseDockerfile } = await import(new URL("../packages/dockerfile/dist/index.js", import.meta.url));
const load = loadPeers();
const { DockerfileParser } = load("dockerfile-ast");
const { parse: parseCommands } = load("docker-file-parser");

const texts = makeDockerfiles(files, 1);
const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
/** Each counts something of what it found, so that nothing can be left out. */
const candidates = [
  {
    name: "@varve/dockerfile",
    gives: "typed instructions, flags, heredocs, warnings; a range on every word",
    run: (text) => parseDockerfile(text).stages.length,
  },
  {
    name: "dockerfile-ast, all read",
    gives: "instructions, flags and arguments, with ranges",
    run: (text) => {
      let count = 0;
      for (const instruction of DockerfileParser.parse(text).getInstructions()) {
        count += instruction.getArguments().length + instruction.getRange().start.line + instruction.getInstructionRange().start.line;
        if (instruction.getFlags !== undefined) for (const flag of instruction.getFlags()) count += flag.getRange().start.line;
        if (instruction.getProperties !== undefined) for (const property of instruction.getProperties()) count += property.getRange().start.line;
      }
      return count;
    },
  },
  {
    name: "dockerfile-ast, parse only",
    gives: "lines cut into instructions; the rest is computed when asked for",
    run: (text) => DockerfileParser.parse(text).getInstructions().length,
  },
  {
    name: "docker-file-parser",
    gives: "names, arguments and line numbers; no flags, heredocs or ranges",
    run: (text) => parseCommands(text, { includeComments: false }).length,
  },
];

const seconds = new Map(candidates.map(({ name }) => [name, []]));
// the first round warms up; in each the parsers take turns, so that all see the same machine
for (let round = 0; round <= rounds; round++)
  for (const { name, run } of candidates) {
    const start = performance.now();
    let found = 0;
    for (const text of texts) found += run(text);
    if (found === 0) throw new Error(`${name} found nothing`);
    if (round > 0) seconds.get(name).push((performance.now() - start) / 1000);
  }

const own = median(seconds.get("@varve/dockerfile"));
const [cpu] = cpus();
const machine = `${cpus().length} × ${cpu?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB, load average ${loadavg()[0].toFixed(1)}; Node ${process.version}`;
const rows = candidates.map(({ name, gives }) => {
  const time = median(seconds.get(name));
  return `| ${name} | ${time.toFixed(2)} | ${Math.round(files / time)} | ${(bytes / time / 1e6).toFixed(1)} | ${(time / own).toFixed(2)} | ${gives} |`;
});
const table = [
  `${files} files, ${(bytes / 1e6).toFixed(1)} MB, median of ${rounds} rounds; ${machine}`,
  "",
  "| parser | seconds | files/s | MB/s | ratio to varve | what it gives |",
  "|---|---|---|---|---|---|",
  ...rows,
  "",
].join("\n");
process.stdout.write(table);
const append = process.argv.indexOf("--append");
if (append !== -1) appendFileSync(process.argv[append + 1], `\n${table}`);
