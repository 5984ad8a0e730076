// BuildKit, as the Docker daemon has it: a daemon of our own for the length of a run.
import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { familyCPU, measure, together } from "./measure.mjs";
import { fresh, has } from "./surroundings.mjs";

/** `undefined` where there is no daemon to start, or nobody who may start one. */
export function dockerPeer(home) {
  if (!has("dockerd") || !has("docker") || process.getuid() !== 0) return undefined;
  const env = { ...process.env, DOCKER_HOST: `unix://${home}/socket`, DOCKER_CONFIG: home, DOCKER_BUILDKIT: "1" };
  let daemon;
  const run = (args, options = {}) => measure("docker", args, { env, ...options });
  const stop = async () => {
    if (daemon === undefined) return;
    const ended = new Promise((resolve) => daemon.once("exit", resolve));
    daemon.kill();
    await ended;
    daemon = undefined;
  };
  const start = async () => {
    fresh(home);
    const log = openSync(join(home, "log"), "w");
    const places = ["--data-root", join(home, "data"), "--exec-root", join(home, "run"), "--pidfile", join(home, "pid"), "-H", env.DOCKER_HOST];
    daemon = spawn("dockerd", [...places, "--iptables=false", "--ip6tables=false", "--bridge=none"], { stdio: ["ignore", log, log] });
    closeSync(log);
    for (let tries = 0; ; tries++) {
      const answer = await run(["version"]).catch((error) => error);
      if (!(answer instanceof Error)) return;
      if (daemon.exitCode !== null || tries === 100) throw new Error(`no Docker daemon: ${readFileSync(join(home, "log"), "utf8").slice(-2000)}`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  };
  /** A command and what the daemon does for it. */
  const withDaemon = async (args) => {
    const before = familyCPU(daemon.pid);
    const { seconds, cpu, peak } = await run(args, { beside: daemon.pid });
    return { seconds, cpu: cpu + familyCPU(daemon.pid) - before, peak };
  };
  return {
    name: "docker (BuildKit)",
    async reset() {
      await stop();
      await start();
    },
    // without a push the image lies in the daemon, uncompressed
    async build({ folder, name, args = [], push = false }) {
      if (daemon === undefined) await start();
      const built = await withDaemon(["build", "-q", "--network", "host", ...args, "-t", name, folder]);
      return push ? together(built, await withDaemon(["push", "-q", name])) : built;
    },
    stop,
  };
}
