#!/usr/bin/env node
// The main job on embedded defaults: base image, build, push, pull into an empty store, run. Usage: npm run demo
import { spawn, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { bootstrap } from "./bootstrap.mjs";
import { makeBaseRoot } from "./demo-base.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const work = join(root, ".work/demo");
const varve = join(root, "packages/cli/bin/varve.js");
const env = { ...process.env, VARVE_HOME: join(work, "builder") };
const shown = (path) => path.replaceAll(root, "");
let server;

function say(text) {
  console.log(process.stdout.isTTY ? `\n\u001b[1m▸ ${text}\u001b[0m` : `\n▸ ${text}`);
}

function run(args, options = {}) {
  console.log(`$ ${options.home === undefined ? "" : `VARVE_HOME=${shown(options.home)} `}varve ${args.map((a) => shown(a)).join(" ")}`);
  const result = spawnSync(process.execPath, [varve, ...args], {
    env: options.home === undefined ? env : { ...env, VARVE_HOME: options.home },
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    maxBuffer: 64 << 20,
  });
  process.stdout.write(result.stderr);
  process.stdout.write(result.stdout);
  if (result.status !== 0) throw new Error(`varve ${args[0]} ended with exit code ${result.status}`);
  return result;
}

function serve(home) {
  return new Promise((resolve, reject) => {
    server = spawn(process.execPath, [varve, "serve", "--port", "0"], { env: { ...env, VARVE_HOME: home }, stdio: ["ignore", "pipe", "inherit"] });
    server.once("exit", (code) => reject(new Error(`varve serve ended with ${code}`)));
    server.stdout.once("data", (data) => resolve(new URL(String(data).trim()).host));
  });
}

async function demo() {
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });

  say("1. A base image, made from this machine's own shell tools (a Dockerfile with FROM scratch and COPY)");
  const base = join(work, "base");
  const files = makeBaseRoot(join(base, "root"));
  writeFileSync(join(base, "Dockerfile"), 'FROM scratch\nCOPY root/ /\nENV PATH=/usr/local/bin:/bin\nCMD ["sh"]\n');
  console.log(`${files} files in ${shown(base)}/root`);

  say("2. A registry: varve serve, over a store of its own");
  const host = await serve(join(work, "registry"));
  console.log(`listening on ${host}`);
  const baseName = `${host}/demo/base:latest`;
  const name = `${host}/demo/greeting:1`;
  run(["build", "--progress", "plain", "-t", baseName, "--push", base]);

  say("3. The example: three stages, RUN and COPY, built without Docker and pushed");
  const example = join(work, "greeting");
  cpSync(join(root, "examples/greeting"), example, { recursive: true });
  const build = ["build", "--progress", "plain", "-t", name, "--push", "--build-arg", `BASE=${baseName}`, example];
  run(build);

  say("4. The same again: every step is CACHED");
  run(build);

  say("5. One file changed: only its COPY and what follows from it run");
  writeFileSync(join(example, "words/summer.txt"), "silt\n");
  run(build);

  say("6. Pulled back into an empty store, and run");
  const empty = join(work, "elsewhere");
  run(["pull", name], { home: empty });
  const { stdout } = run(["run", name], { home: empty });
  if (!stdout.includes("Hello, silt!")) throw new Error("the image did not say what was built into it");

  say("Done. To look further (the store is an OCI image layout; skopeo, umoci and crane read it as it is):");
  const home = shown(env.VARVE_HOME);
  console.log(`  export VARVE_HOME=${home}`);
  for (const line of ["images", `history ${name}`, `inspect ${name}`, `run ${name} sh -c 'ls -l /usr/share/greeting'`])
    console.log(`  node packages/cli/bin/varve.js ${line}`);
  console.log(`  node packages/cli/bin/varve.js build --print --build-arg BASE=${baseName} examples/greeting`);
  console.log(`  cat ${home}/index.json      # the names`);
  console.log(`  docs/concepts/               # what a layer, a digest and a cache key are, on this very image`);
  const index = JSON.parse(readFileSync(join(env.VARVE_HOME, "index.json"), "utf8"));
  console.log(`  (${index.manifests.length} images there now; the demo's registry is stopped)`);
}

bootstrap();
// after the bootstrap, since the build needs what it installs
const { buildProgram } = await import("./build.mjs");
await buildProgram();
try {
  await demo();
} catch (error) {
  console.error(`\ndemo: ${error.message}`);
  process.exitCode = 1;
} finally {
  server?.removeAllListeners("exit");
  server?.kill();
}
