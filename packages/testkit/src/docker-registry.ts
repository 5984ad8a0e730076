import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";

/** Debian's docker-registry on a free loopback port; its storage is the caller's folder. */
export interface DockerRegistry extends AsyncDisposable {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  /** Lines of its access log so far: `"GET /v2/… HTTP/1.1" 200 …`. */
  requests(): readonly string[];
}

/** How it asks who is there. */
export type DockerRegistryAuth =
  /** A file of `user:bcrypt` lines. */
  | { readonly kind: "htpasswd"; readonly content: string }
  /** Tokens of a server the caller runs; `certificate` (PEM) signs them. */
  | { readonly kind: "token"; readonly realm: string; readonly service: string; readonly issuer: string; readonly certificate: string };

/** Starts it with its storage and configuration under `folder`. */
export async function startDockerRegistry(folder: string, auth?: DockerRegistryAuth): Promise<DockerRegistry> {
  await mkdir(folder, { recursive: true });
  const host = `127.0.0.1:${await freePort()}`;
  const config = {
    version: "0.1",
    log: { accesslog: { disabled: false } },
    storage: { filesystem: { rootdirectory: join(folder, "data") }, delete: { enabled: true } },
    http: { addr: host, secret: "test" },
    ...(auth === undefined ? {} : { auth: await authConfig(folder, auth) }),
  };
  // JSON is YAML
  await writeFile(join(folder, "config.yml"), JSON.stringify(config));
  const child = spawn("docker-registry", ["serve", join(folder, "config.yml")], { stdio: ["ignore", "pipe", "pipe"] });
  let log = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data: Buffer) => (log += String(data)));
  await untilItAnswers(host, child, () => log);
  return {
    host,
    requests: () => log.split("\n").filter((line) => /"(GET|HEAD|POST|PATCH|PUT|DELETE) /.test(line)),
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null) return;
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill();
      await ended;
    },
  };
}

async function authConfig(folder: string, auth: DockerRegistryAuth): Promise<object> {
  if (auth.kind === "htpasswd") {
    await writeFile(join(folder, "htpasswd"), auth.content);
    return { htpasswd: { realm: "test", path: join(folder, "htpasswd") } };
  }
  await writeFile(join(folder, "tokens.pem"), auth.certificate);
  return { token: { realm: auth.realm, service: auth.service, issuer: auth.issuer, rootcertbundle: join(folder, "tokens.pem") } };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

async function untilItAnswers(host: string, child: ChildProcess, log: () => string): Promise<void> {
  for (let attempt = 0; attempt < 200 && child.exitCode === null; attempt++) {
    const answered = await fetch(`http://${host}/v2/`).then(
      async (response) => response.text().then(() => true),
      () => false,
    );
    if (answered) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`docker-registry does not answer: ${log()}`);
}
