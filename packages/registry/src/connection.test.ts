import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { createServer, request as forward, type RequestListener } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { type AddressInfo, connect, createServer as createTcpServer, type Server } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { bundleChildProgram, describeWithTools } from "@varve/testkit";
import { createServedSpace, createTestFolder, pushImage, QUICK, randomImage, readAll, type TestFolder } from "@varve/testkit/registry";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { createRegistryClient } from "./registry-client.ts";

const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    const closed = new Promise((done) => server.close(done));
    if ("closeAllConnections" in server) (server as { closeAllConnections(): void }).closeAllConnections();
    await closed;
  }
});

async function listen(server: Server): Promise<string> {
  servers.push(server);
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function resolve(registry: string, options: Parameters<typeof createRegistryClient>[0] = {}): Promise<unknown> {
  await using client = createRegistryClient({ retry: QUICK, ...options });
  return await client
    .repository({ registry, repository: "team/app" })
    .resolve("v1")
    .catch((error: unknown) => error);
}

const notFound: RequestListener = (_, response) => response.writeHead(404).end();

describe("a registry that cannot be reached", () => {
  it("is named when nothing listens", async () => {
    const host = await listen(createServer());
    await new Promise((done) => servers.pop()?.close(done));
    expect(await resolve(host)).toMatchObject({
      code: "REGISTRY_UNREACHABLE",
      message: `cannot reach ${host}: connection refused`,
      hint: expect.stringContaining("running"),
    });
  });

  it("is named when there is no such host", async () => {
    expect(await resolve("registry.invalid")).toMatchObject({ code: "REGISTRY_UNREACHABLE", message: expect.stringContaining("registry.invalid") });
  });

  it("is named when it speaks something else", async () => {
    const host = await listen(
      createTcpServer((socket) =>
        socket
          .on("error", () => {})
          .resume()
          .write("220 mail.test ESMTP\r\n"),
      ),
    );
    expect(await resolve(host)).toMatchObject({ code: "REGISTRY_PROTOCOL", message: expect.stringContaining(host) });
  });
});

describeWithTools(["openssl"], "TLS", () => {
  let folder: TestFolder;
  let tls: { readonly key: Buffer; readonly cert: Buffer };
  beforeAll(async () => {
    folder = await createTestFolder();
    const [key, cert] = [join(folder.path, "key.pem"), join(folder.path, "cert.pem")];
    const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
    await promisify(execFile)("openssl", [
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:P-256",
      "-nodes",
      "-keyout",
      key,
      "-out",
      cert,
      "-days",
      "2",
      ...subject,
    ]);
    tls = { key: await readFile(key), cert: await readFile(cert) };
  });
  afterAll(() => folder[Symbol.asyncDispose]());

  it("is spoken on loopback where plain http is refused, and an unknown certificate named", async () => {
    const host = await listen(createTlsServer(tls, notFound));
    expect(await resolve(host)).toMatchObject({
      code: "REGISTRY_TLS",
      message: expect.stringContaining("known authority"),
      hint: expect.stringContaining("NODE_EXTRA_CA_CERTS"),
    });
  });

  it("is not verified where that was asked for", async () => {
    const host = await listen(createTlsServer(tls, notFound));
    expect(await resolve(host, { insecureRegistries: [host] })).toMatchObject({ code: "REGISTRY_NOT_FOUND" });
  });

  it("gives way to plain http where that was asked for", async () => {
    const host = await listen(createServer(notFound));
    expect(await resolve(host, { insecureRegistries: [host] })).toMatchObject({ code: "REGISTRY_NOT_FOUND" });
  });

  it("takes the authorities of NODE_EXTRA_CA_CERTS", async () => {
    const host = await listen(createTlsServer(tls, notFound));
    const program = await bundleChildProgram(join(import.meta.dirname, "resolve.child.ts"), folder.path);
    const run = async (env: NodeJS.ProcessEnv): Promise<string> =>
      (await promisify(execFile)(process.execPath, [program.path, host], { env: { ...process.env, ...env } })).stdout.trim();
    await writeFile(join(folder.path, "ca.pem"), tls.cert);
    expect(await run({ NODE_EXTRA_CA_CERTS: join(folder.path, "ca.pem") })).toBe("REGISTRY_NOT_FOUND");
    expect(await run({ NODE_EXTRA_CA_CERTS: undefined })).toBe("REGISTRY_TLS");
  });

  it("is what a registry elsewhere must speak", async () => {
    const plain = await listen(createServer(notFound));
    const proxy = await listen(createConnectProxy(plain, []));
    expect(await resolve("registry.test", { env: { HTTPS_PROXY: `http://${proxy}` } })).toMatchObject({
      code: "REGISTRY_TLS",
      message: expect.stringContaining("does not speak TLS"),
      hint: expect.stringContaining("--insecure-registry registry.test"),
    });
  });

  it("goes through HTTPS_PROXY by CONNECT", async () => {
    const asked: string[] = [];
    const proxy = await listen(createConnectProxy(await listen(createTlsServer(tls, notFound)), asked));
    const outcome = await resolve("registry.test:5443", { env: { https_proxy: proxy }, insecureRegistries: ["registry.test:5443"] });
    expect(outcome).toMatchObject({ code: "REGISTRY_NOT_FOUND" });
    expect(asked).toContain("registry.test:5443");
  });
});

describe("a proxy", () => {
  it.each([407, 403])("that refuses a tunnel with %d is named", async (status) => {
    const proxy = await listen(createServer().on("connect", (_, socket) => socket.end(`HTTP/1.1 ${status} No\r\n\r\n`)));
    expect(await resolve("registry.test", { env: { https_proxy: proxy } })).toMatchObject({
      code: "REGISTRY_UNREACHABLE",
      message: expect.stringContaining(`${proxy} refuses`),
    });
  });

  it("that hangs up is named, and one that isn't there", async () => {
    const proxy = await listen(createServer());
    expect(await resolve("registry.test", { env: { https_proxy: proxy } })).toMatchObject({
      code: "REGISTRY_UNREACHABLE",
      message: expect.stringContaining(proxy),
    });
    expect(await resolve("registry.test", { env: { https_proxy: "127.0.0.1:1" } })).toMatchObject({
      code: "REGISTRY_UNREACHABLE",
      message: expect.stringContaining("127.0.0.1:1"),
    });
  });

  it("gets its own credentials", async () => {
    let seen: string | undefined;
    const proxy = await listen(
      createServer().on("connect", (request, socket) => {
        seen = request.headers["proxy-authorization"];
        socket.end("HTTP/1.1 403 No\r\n\r\n");
      }),
    );
    await resolve("registry.test", { env: { https_proxy: `http://a:b%40@${proxy}` } });
    expect(seen).toBe(`Basic ${Buffer.from("a:b@").toString("base64")}`);
  });
});

describe("a proxy for plain http", () => {
  it("is asked for whole URLs, transfers everything, and is left out for NO_PROXY", async () => {
    await using space = await createServedSpace();
    const asked: string[] = [];
    const proxy = await listen(createForwardProxy(space.host, asked));
    const env = { HTTP_PROXY: `http://${proxy}`, HTTPS_PROXY: `http://${proxy}`, NO_PROXY: "direct.invalid" };
    const options = { retry: QUICK, env, insecureRegistries: ["registry.test", "direct.invalid"] };
    await using client = createRegistryClient(options);
    const repository = client.repository({ registry: "registry.test", repository: "team/app" });
    const image = randomImage(300_000);
    await pushImage(repository, image, "v1");
    expect(Buffer.compare(await readAll(await repository.fetch(image.blobs[1]!.descriptor)), image.blobs[1]!.bytes)).toBe(0);
    expect(asked.every((url) => url.startsWith("http://registry.test/v2/"))).toBe(true);
    const count = asked.length;
    expect(await resolve("direct.invalid", options)).toMatchObject({ code: "REGISTRY_UNREACHABLE" });
    expect(asked.length).toBe(count);
  });

  it("does not lead to private addresses that a public registry sends to", async () => {
    const asked: string[] = [];
    const proxy = await listen(
      createServer((request, response) => {
        asked.push(request.url ?? "");
        if (request.url?.endsWith("/v2/") === true) response.end();
        else if (request.url?.includes("/manifests/v1") === true) response.writeHead(307, { location: "http://169.254.169.254/latest/meta-data" }).end();
        else response.writeHead(401, { "www-authenticate": 'Bearer realm="https://10.0.0.1/token"' }).end();
      }),
    );
    const options = { retry: QUICK, env: { HTTP_PROXY: proxy, HTTPS_PROXY: "127.0.0.1:1" }, insecureRegistries: ["93.184.216.34:5000"] };
    expect(await resolve("93.184.216.34:5000", options)).toMatchObject({
      code: "REGISTRY_UNSAFE_REDIRECT",
      message: expect.stringContaining("169.254.169.254"),
    });
    await using client = createRegistryClient(options);
    const failing = client.repository({ registry: "93.184.216.34:5000", repository: "team/app" }).tags();
    await expect(failing).rejects.toMatchObject({ code: "REGISTRY_UNSAFE_REDIRECT", message: expect.stringContaining("10.0.0.1") });
    expect(asked.filter((url) => !url.startsWith("http://93.184.216.34:5000/v2/"))).toEqual([]);
  });
});

/** A proxy that tunnels every CONNECT to `target`. */
function createConnectProxy(target: string, asked: string[]): Server {
  const [host, port] = target.split(":");
  return createServer(notFound).on("connect", (request, socket) => {
    asked.push(request.url ?? "");
    const onward = connect(Number(port), host ?? "", () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      socket.pipe(onward).pipe(socket);
    });
    for (const each of [socket, onward]) each.on("error", () => each.destroy());
    socket.on("close", () => onward.destroy());
  });
}

/** A proxy that sends every plain request to `target`. */
function createForwardProxy(target: string, asked: string[]): Server {
  return createServer((request, response) => {
    asked.push(request.url ?? "");
    const { pathname, search } = new URL(request.url ?? "");
    const onward = forward(
      { host: "127.0.0.1", port: target.split(":")[1], method: request.method, path: pathname + search, headers: request.headers },
      (answer) => {
        response.writeHead(answer.statusCode ?? 0, answer.headers);
        answer.pipe(response);
      },
    );
    onward.on("error", () => response.destroy());
    request.pipe(onward);
  });
}
