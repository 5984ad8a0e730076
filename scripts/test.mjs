#!/usr/bin/env node
// Builds, runs the tests, ends with the counts. Usage: npm test [-- vitest's arguments]; npm run test:long runs the *.long.test.ts suites
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { bootstrap } from "./bootstrap.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const results = `${root}.work/test-results.json`;

function runVitest(args, long) {
  mkdirSync(`${root}.work`, { recursive: true });
  rmSync(results, { force: true });
  const vitest = spawnSync(
    process.execPath,
    [
      `${root}node_modules/vitest/vitest.mjs`,
      "run",
      ...(long ? ["--passWithNoTests"] : []),
      "--reporter=default",
      "--reporter=json",
      `--outputFile.json=${results}`,
      ...args,
    ],
    { cwd: root, stdio: "inherit", env: { ...process.env, ...(long ? { VARVE_LONG: "1" } : {}) } },
  );
  return vitest.status ?? 1;
}

/** A file that fails before its tests are known counts as one failed test. */
function countTests() {
  const counts = { passed: 0, failed: 0, skipped: 0, missing: new Set() };
  if (!existsSync(results)) return counts;
  for (const file of JSON.parse(readFileSync(results, "utf8")).testResults) {
    if (file.status === "failed" && !file.assertionResults.some((test) => test.status === "failed")) counts.failed++;
    for (const test of file.assertionResults) {
      counts[test.status === "passed" || test.status === "failed" ? test.status : "skipped"]++;
      // describeWithTools of @varve/testkit writes so
      for (const title of [...test.ancestorTitles, test.title]) {
        for (const tool of /\(needs ([^)]+)\)$/.exec(title)?.[1].split(", ") ?? []) counts.missing.add(tool);
      }
    }
  }
  return counts;
}

bootstrap();
const args = process.argv.slice(2);
const long = args.includes("--long");
const build = spawnSync(process.execPath, [`${root}scripts/build.mjs`], { cwd: root, stdio: "inherit" });
if (build.status !== 0) {
  console.log("test: the build failed, see above\n0 passed, 1 failed, 0 skipped");
  process.exit(1);
}
const status = runVitest(
  args.filter((arg) => arg !== "--long"),
  long,
);
const { passed, failed, skipped, missing } = countTests();
// an error outside of any test fails the run too
const failures = status !== 0 && failed === 0 ? 1 : failed;
if (missing.size > 0)
  console.log(`skipped for want of: ${[...missing].toSorted((a, b) => a.localeCompare(b)).join(", ")} (scripts/install-peers.sh installs them)`);
console.log(`${passed} passed, ${failures} failed, ${skipped} skipped`);
process.exitCode = failures > 0 ? 1 : 0;
