import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";

/** Debian's docker-registry on a free loopback port. */
export interface DockerRegistry extends AsyncDisposable {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  /** Lines of its access log so far. */
  requests(): readonly string[];
}

/** Starts it with its storage under `folder`; `htpasswd` is a file's content for Basic authentication. */
export async function startDockerRegistry(folder: string, htpasswd?: string): Promise<DockerRegistry> {
  await mkdir(folder, { recursive: true });
  const port = await freePort();
  const host = `127.0.0.1:${port}`;
  const lines = [
    "version: 0.1",
    "log:",
    "  accesslog:",
    "    disabled: false",
    "storage:",
    `  filesystem: { rootdirectory: ${folder} }`,
    "  delete: { enabled: true }",
    `http: { addr: "${host}" }`,
  ];
  if (htpasswd !== undefined) {
    await writeFile(join(folder, "htpasswd"), htpasswd);
    lines.push(`auth: { htpasswd: { realm: test, path: ${join(folder, "htpasswd")} } }`);
  }
  await writeFile(join(folder, "config.yml"), `${lines.join("\n")}\n`);
  const child = spawn("docker-registry", ["serve", join(folder, "config.yml")], { stdio: ["ignore", "pipe", "pipe"] });
  let log = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data: Buffer) => (log += String(data)));
  await waitUntilItAnswers(host, child, () => log);
  return {
    host,
    requests: () => log.split("\n").filter((line) => / "(GET|HEAD|POST|PATCH|PUT|DELETE) /.test(line)),
    async [Symbol.asyncDispose]() {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill();
      await ended;
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

async function waitUntilItAnswers(host: string, child: ChildProcess, log: () => string): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    if (child.exitCode !== null) break;
    try {
      await fetch(`http://${host}/v2/`);
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  throw new Error(`docker-registry does not answer: ${log()}`);
}
