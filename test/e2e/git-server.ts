import { execFileSync, spawn } from "node:child_process";
import { type AddressInfo, createServer } from "node:net";
import { setTimeout as wait } from "node:timers/promises";

/** A running `git daemon`. */
export interface GitServer {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  stop(): void;
}

/** Serves the repositories below a folder, `path` among them, to anyone on this machine, by the git protocol. */
export async function serveGit(folder: string, path: string): Promise<GitServer> {
  const port = await freePort();
  const daemon = spawn("git", ["daemon", "--reuseaddr", "--listen=127.0.0.1", `--port=${port}`, `--base-path=${folder}`, "--export-all"], {
    stdio: "ignore",
    detached: true,
  });
  const host = `127.0.0.1:${port}`;
  await answers(`git://${host}/${path}`);
  return {
    host,
    stop() {
      // git starts the daemon as a child of its own
      if (daemon.pid !== undefined) process.kill(-daemon.pid);
    },
  };
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

async function answers(url: string): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    try {
      execFileSync("git", ["ls-remote", url], { stdio: "ignore" });
      return;
    } catch {
      await wait(50);
    }
  }
  throw new Error(`${url} doesn't answer`);
}
