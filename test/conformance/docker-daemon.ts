import { type ChildProcess, execFile, spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Image, loadArchive, openImage, writeOciLayout } from "@varve/image";
import type { Descriptor } from "@varve/oci";
import { openStore, type Store } from "@varve/store";
import { findTool, hasTool } from "@varve/testkit";
import { storeBase } from "./golden-base.ts";

const run = promisify(execFile);

/** What `docker build` is given beside a Dockerfile and its context. */
export interface DockerBuild {
  readonly dockerfile: string;
  readonly context: string;
  /** More arguments of `docker build`. */
  readonly options: readonly string[];
}

/** A Docker daemon of our own: BuildKit, as old as the distribution's package. */
export interface DockerDaemon extends AsyncDisposable {
  /** Gives the daemon an image of a docker-archive. */
  load(archive: string): Promise<void>;
  /** Builds and puts the image into a store; the message when the build is refused, `undefined` for an image without layers, which Docker can't save. */
  build(store: Store, options: DockerBuild): Promise<Image | string | undefined>;
}

/** A daemon and a store that both have the base of the goldens. */
export interface DockerBench extends AsyncDisposable {
  /** A folder of its own; `store` in it is the store. */
  readonly root: string;
  readonly store: Store;
  readonly base: Image;
  readonly docker: DockerDaemon;
  /** Gives the daemon an image of the store, under its name on Docker Hub. */
  lend(descriptor: Descriptor, name: string): Promise<void>;
}

/** Programs a daemon needs; Debian's docker.io and containerd have them, unpacked anywhere in PATH. */
const TOOLS = ["dockerd", "docker", "containerd", "containerd-shim-runc-v2", "runc", "skopeo", "busybox"] as const;

/** What is missing here for a daemon: it is too much to be asked of every machine. */
export function missingForDocker(): readonly string[] {
  return [...TOOLS.filter((tool) => !hasTool(tool)), ...(process.getuid?.() === 0 ? [] : ["root"])];
}

/** Starts a daemon that keeps all it has in a folder and has no network of its own. Needs root. */
async function startDockerDaemon(folder: string): Promise<DockerDaemon> {
  const address = `unix://${folder}/socket`;
  mkdirSync(folder, { recursive: true });
  const log = openSync(join(folder, "log"), "w");
  const places = ["--data-root", join(folder, "data"), "--exec-root", join(folder, "run"), "--pidfile", join(folder, "pid")];
  const network = ["--iptables=false", "--ip6tables=false", "--bridge=none"];
  const daemon = spawn(findTool("dockerd") ?? "dockerd", [...places, ...network, "-H", address], { stdio: ["ignore", log, log] });
  closeSync(log);
  const env = { ...process.env, DOCKER_HOST: address, DOCKER_BUILDKIT: "1", DOCKER_CONFIG: folder };
  const docker = async (...args: string[]): Promise<string> => (await run("docker", args, { env, maxBuffer: 1 << 28 })).stdout;
  await waitFor(daemon, folder, () => docker("version"));
  let builds = 0;
  return {
    load: async (archive) => void (await docker("load", "-q", "-i", archive)),
    async build(store, { dockerfile, context, options }) {
      const name = `case-${builds++}`;
      try {
        await docker("build", "-q", "--no-cache", "--network", "host", "-t", name, ...options, "-f", dockerfile, context);
      } catch (error) {
        return (error as { readonly stderr?: string }).stderr ?? String(error);
      }
      const archive = join(folder, `${name}.tar`);
      try {
        await docker("save", "-o", archive, name);
      } catch (error) {
        if (String(error).includes("empty export")) return undefined;
        throw error;
      }
      const [image] = await loadArchive(store, archive);
      await run("rm", [archive]);
      await docker("rmi", "-f", name);
      if (image === undefined) throw new Error("docker saved nothing");
      return openImage(store, image.descriptor);
    },
    async [Symbol.asyncDispose]() {
      const ended = new Promise((resolve) => daemon.once("exit", resolve));
      daemon.kill();
      await ended;
    },
  };
}

/** Starts a daemon beside a new store. */
export async function createDockerBench(): Promise<DockerBench> {
  const root = mkdtempSync(join(tmpdir(), "varve-docker-"));
  const store = await openStore({ root: join(root, "store") });
  const descriptor = await storeBase(store);
  const base = await openImage(store, descriptor);
  const docker = await startDockerDaemon(join(root, "docker"));
  const lend = async (lent: Descriptor, name: string): Promise<void> => {
    const [layout, archive, full] = [join(root, `${name}-layout`), join(root, `${name}.tar`), `docker.io/library/${name}:latest`];
    await writeOciLayout(store, [{ descriptor: lent, names: [full] }], layout);
    await run("skopeo", ["copy", "-q", `oci:${layout}`, `docker-archive:${archive}:${full}`]);
    await docker.load(archive);
    await run("rm", ["-r", layout, archive]);
  };
  await lend(descriptor, "base");
  return {
    root,
    store,
    base,
    docker,
    lend,
    async [Symbol.asyncDispose]() {
      await docker[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
      // what the daemon left mounted is not gone into
      await run("rm", ["--recursive", "--force", "--one-file-system", root]);
    },
  };
}

async function waitFor(daemon: ChildProcess, folder: string, isReady: () => Promise<unknown>): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      await isReady();
      return;
    } catch (cause) {
      if (daemon.exitCode !== null || tries === 100) throw new Error(`no Docker daemon: ${tail(join(folder, "log"))}`, { cause });
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}

function tail(path: string): string {
  return existsSync(path) ? readFileSync(path, "utf8").split("\n").slice(-5).join("\n") : "";
}
