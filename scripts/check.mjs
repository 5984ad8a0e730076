#!/usr/bin/env node
// Types, lint, format, unused exports, and what would be published. Usage: npm run check
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { bootstrap } from "./bootstrap.mjs";
import { runSteps } from "./run-steps.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const bin = (name) => `${root}node_modules/.bin/${name}`;

function publishedPackages() {
  return readdirSync(`${root}packages`).filter((name) => {
    const manifest = `${root}packages/${name}/package.json`;
    return existsSync(manifest) && JSON.parse(readFileSync(manifest, "utf8")).private !== true;
  });
}

bootstrap();
const failed = runSteps(root, [
  ["types", bin("tsc"), "-p", "tsconfig.json"],
  ["lint", bin("oxlint"), "--type-aware", "--deny-warnings", "--report-unused-disable-directives"],
  ["format", bin("oxfmt"), "--check"],
  ["unused files, exports and dependencies", bin("knip"), "--no-progress", "--include", "files,dependencies,unlisted,unresolved,exports,types,duplicates"],
  ["compiled packages", process.execPath, "scripts/build.mjs"],
]);
// what is not compiled cannot be packed
if (!failed.includes("compiled packages")) {
  failed.push(
    ...runSteps(
      root,
      publishedPackages().map((name) => [`publint ${name}`, bin("publint"), "--strict", "--pack", "npm", `packages/${name}`]),
    ),
  );
}
if (failed.length > 0) {
  console.log(`check: failed: ${failed.join(", ")}`);
  process.exit(1);
}
console.log("check: all good");
