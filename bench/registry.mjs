// A registry on loopback for the length of a run: docker-registry where it is installed, else varve's own; a process of its own.
import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { VARVE } from "./peers.mjs";
import { has } from "./surroundings.mjs";

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function answers(host) {
  for (let attempt = 0; attempt < 200; attempt++) {
    const response = await fetch(`http://${host}/v2/`).catch(() => undefined);
    if (response?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`no registry answers on ${host}`);
}

function start(folder, port) {
  if (!has("docker-registry"))
    return spawn(process.execPath, [VARVE, "serve", "--port", String(port)], { env: { ...process.env, VARVE_HOME: folder }, stdio: "ignore" });
  const config = join(folder, "config.yml");
  writeFileSync(config, `version: 0.1\nlog: { level: error }\nstorage: { filesystem: { rootdirectory: ${folder}/data } }\nhttp: { addr: 127.0.0.1:${port} }\n`);
  return spawn("docker-registry", ["serve", config], { stdio: "ignore" });
}

/** Starts it over an empty store in `folder`; `host` is what image names begin with. */
export async function startRegistry(folder) {
  mkdirSync(folder);
  const port = await freePort();
  const host = `127.0.0.1:${port}`;
  const child = start(folder, port);
  const ended = new Promise((resolve) => child.once("close", resolve));
  // nothing is left behind when the run fails
  process.on("exit", () => child.kill());
  await answers(host);
  return {
    host,
    async [Symbol.asyncDispose]() {
      child.kill();
      await ended;
    },
  };
}
