#!/usr/bin/env node
// Builds the program (packages/cli/dist, one bundle) and, unless --program is given, every package's dist. Usage: node scripts/build.mjs [--program]
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { bootstrap } from "./bootstrap.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));

/**
 * Bundles the command line program, its library entry and the helper process into packages/cli/dist. The files are replaced one by one, and
 * stale ones removed last, so that a program that runs meanwhile is not pulled from under its feet.
 */
export async function buildProgram() {
  const { build } = await import("esbuild");
  const common = { outdir: `${root}packages/cli/dist`, write: false, bundle: true, platform: "node", target: "node20.19", logLevel: "warning" };
  const source = { ...common, conditions: ["varve-source"] };
  const library = await build({
    ...source,
    entryPoints: {
      index: `${root}packages/cli/src/index.ts`,
      "disk-worker": `${root}packages/context/src/disk-worker.ts`,
    },
    splitting: true,
    format: "esm",
    chunkNames: "[name]-[hash]",
    // CommonJS dependencies ask for require()
    banner: { js: 'import { createRequire as varveCreateRequire } from "node:module"; const require = varveCreateRequire(import.meta.url);' },
  });
  // one file, that V8's compiled form of it can be kept; CommonJS, since for ES modules Node has no such thing before 22.8
  const program = await build({
    ...source,
    entryPoints: {
      program: `${root}packages/cli/src/main.ts`,
      start: `${root}packages/cli/src/start.ts`,
      helper: `${root}packages/cli/src/helper-start.ts`,
      "helper-program": `${root}packages/snapshot/src/helper/main.ts`,
    },
    outExtension: { ".js": ".cjs" },
    format: "cjs",
    minifyWhitespace: true,
    minifySyntax: true,
    // a script that is compiled by itself has no import(); that of a module of Node is a require()
    supported: { "dynamic-import": false },
    // a line that Node prints with an error
    lineLimit: 160,
    plugins: [undiciInPart],
    define: { "import.meta.url": "varveURL" },
    banner: { js: '"use strict";const varveURL = require("node:url").pathToFileURL(__filename).href;' },
  });
  const outputFiles = [...library.outputFiles, ...program.outputFiles.map(withDigest)];
  replaceFiles(`${root}packages/cli/dist`, outputFiles);
}

/**
 * What undici needs only when an assertion fails or a server speaks HTTP/2 (which isn't asked for) is loaded when it is called: 5 ms of every push are Node's assert
 * and http2.
 */
const undiciInPart = {
  name: "undici-in-part",
  setup({ onResolve, onLoad }) {
    const isUndici = ({ importer }) => importer.includes("/node_modules/undici/");
    onResolve({ filter: /^node:assert$/ }, (args) => (isUndici(args) ? { path: "node:assert", namespace: "undici-assert" } : undefined));
    onLoad({ filter: /./, namespace: "undici-assert" }, () => ({
      contents: `module.exports = (value, message) => { if (!value) require("node:assert")(value, message); };`,
    }));
    onResolve({ filter: /^\.\/client-h2\.js$/ }, (args) =>
      isUndici(args) && args.namespace === "file" ? { path: join(args.resolveDir, args.path), namespace: "undici-h2" } : undefined,
    );
    onLoad({ filter: /./, namespace: "undici-h2" }, ({ path }) => ({
      contents: `module.exports = (...args) => require(${JSON.stringify(path)})(...args);`,
      resolveDir: dirname(path),
    }));
  },
};

/** In front of it, as a line of its own: by that a compiled form is known to be of this program. */
function withDigest({ path, contents }) {
  const digest = createHash("sha256").update(contents).digest("hex");
  return { path, contents: Buffer.concat([Buffer.from(`// ${digest}\n`), contents]) };
}

function replaceFiles(folder, files) {
  mkdirSync(folder, { recursive: true });
  for (const { path, contents } of files) {
    writeFileSync(`${path}.${process.pid}`, contents);
    renameSync(`${path}.${process.pid}`, path);
  }
  const kept = new Set(files.map((file) => basename(file.path)));
  for (const name of readdirSync(folder)) if (/\.c?js$/.test(name) && !kept.has(name)) rmSync(`${folder}/${name}`);
}

function buildPackages() {
  const packages = readdirSync(`${root}packages`).filter((name) => existsSync(`${root}packages/${name}/tsconfig.build.json`));
  for (const name of packages) if (name !== "cli") rmSync(`${root}packages/${name}/dist`, { recursive: true, force: true });
  const tsc = spawnSync(`${root}node_modules/.bin/tsc`, ["-b", ...packages.map((name) => `packages/${name}/tsconfig.build.json`)], {
    cwd: root,
    stdio: "inherit",
  });
  if (tsc.status !== 0) process.exit(tsc.status ?? 1);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  bootstrap();
  await buildProgram();
  if (!process.argv.includes("--program")) buildPackages();
}
