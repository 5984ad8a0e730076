import { createHash, createSign, generateKeyPairSync } from "node:crypto";
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { describeWithTools } from "@varve/testkit";
import { startDockerRegistry } from "@varve/testkit/registry";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { CredentialSource, RegistryClient } from "./client.ts";
import { createRegistryClient } from "./registry-client.ts";
import { createServedSpace, createTestFolder, pushImage, QUICK, randomBlob, randomImage, readAll, type TestFolder } from "@varve/testkit/registry";

let folder: TestFolder;
beforeEach(async () => {
  folder = await createTestFolder();
});
afterEach(() => folder[Symbol.asyncDispose]());

/** bcrypt of `wonderland`. */
const HTPASSWD = "alice:$2y$05$abcdefghijklmnopqrstuuA0vov2GDneHB3.8.cv9UF9g.RdvScIW\n";
const ALICE: CredentialSource = async () => ({ kind: "basic", username: "alice", password: "wonderland" });

async function roundTrip(client: RegistryClient, registry: string): Promise<void> {
  const repository = client.repository({ registry, repository: "team/app" });
  const image = randomImage(0, 10, 3_000_000);
  await pushImage(repository, image, "v1");
  const { descriptor } = image.manifest;
  expect(await repository.resolve("v1")).toEqual(descriptor);
  expect(await repository.resolve(descriptor.digest)).toEqual(descriptor);
  const fetched = await repository.fetchManifest("v1");
  expect([fetched.descriptor, Buffer.from(fetched.bytes)]).toEqual([descriptor, Buffer.from(image.manifest.bytes)]);
  for (const blob of [...image.blobs, image.manifest]) {
    expect(await repository.has(blob.descriptor)).toBe(true);
    expect(Buffer.compare(await readAll(await repository.fetch(blob.descriptor)), blob.bytes)).toBe(0);
  }
  const layer = image.blobs.at(-1)!;
  const part = await readAll(await repository.fetchRange(layer.descriptor, 1_000_001, 77));
  expect(Buffer.compare(part, layer.bytes.subarray(1_000_001, 1_000_078))).toBe(0);
  expect((await readAll(await repository.fetchRange(layer.descriptor, 5, 0))).length).toBe(0);
  const other = client.repository({ registry, repository: "team/other" });
  expect((await other.has(layer.descriptor)) || (await other.mount(layer.descriptor, "team/app"))).toBe(true);
  expect(await other.has(layer.descriptor)).toBe(true);
  for (let i = 0; i < 3; i++) await repository.tag(descriptor, `t${i}`);
  expect((await repository.tags()).toSorted()).toEqual(["t0", "t1", "t2", "v1"]);
  const absent = randomBlob(10);
  expect(await repository.has(absent.descriptor)).toBe(false);
  expect(await other.mount(absent.descriptor, "team/app")).toBe(false);
  // the session the refused mount left is used
  await other.push(absent.descriptor, absent.open);
  expect(await other.has(absent.descriptor)).toBe(true);
}

describe("the embedded registry", () => {
  it("takes an image and gives it back", async () => {
    await using space = await createServedSpace();
    await using client = createRegistryClient({ retry: QUICK });
    await roundTrip(client, space.host);
  });
});

describeWithTools(["docker-registry"], "docker-registry", () => {
  it("anonymous: takes an image and gives it back", async () => {
    await using registry = await startDockerRegistry(folder.path);
    await using client = createRegistryClient({ retry: QUICK });
    await roundTrip(client, registry.host);
    const uploads = registry.requests().filter((line) => /"(PATCH|GET) .*uploads/.test(line));
    expect(uploads).toEqual([]);
  });

  it("Basic: with the right password, with a wrong one, with none", async () => {
    await using registry = await startDockerRegistry(folder.path, { kind: "htpasswd", content: HTPASSWD });
    const secrets: string[] = [];
    {
      await using client = createRegistryClient({ credentials: ALICE, retry: QUICK, onSecret: (secret) => secrets.push(secret) });
      await roundTrip(client, registry.host);
    }
    expect(secrets).toEqual(["wonderland", Buffer.from("alice:wonderland").toString("base64")]);
    const wrong: CredentialSource = async () => ({ kind: "basic", username: "alice", password: "through the glass" });
    for (const [credentials, message] of [
      [wrong, /refused the credentials/],
      [async () => undefined, /wants credentials/],
    ] as const) {
      await using client = createRegistryClient({ credentials, retry: QUICK });
      const repository = client.repository({ registry: registry.host, repository: "team/app" });
      const failing = repository.resolve("v1");
      await expect(failing).rejects.toMatchObject({
        code: "REGISTRY_UNAUTHORIZED",
        message: expect.stringMatching(message),
        hint: expect.stringContaining("docker login"),
      });
      await expect(failing).rejects.not.toMatchObject({ message: expect.stringContaining("glass") });
    }
  });

  it("names what isn't there", async () => {
    await using registry = await startDockerRegistry(folder.path);
    await using client = createRegistryClient({ retry: QUICK });
    const repository = client.repository({ registry: registry.host, repository: "team/app" });
    await expect(repository.resolve("v1")).rejects.toMatchObject({
      code: "REGISTRY_NOT_FOUND",
      message: expect.stringContaining(`${registry.host}/team/app:v1`),
    });
    await pushImage(repository, randomImage(1), "v1");
    await expect(repository.resolve("v2")).rejects.toMatchObject({
      code: "REGISTRY_NOT_FOUND",
      message: expect.stringContaining(`${registry.host}/team/app:v2`),
    });
    await expect(repository.fetch(randomBlob(5).descriptor)).rejects.toMatchObject({ code: "REGISTRY_NOT_FOUND" });
    await expect(client.repository({ registry: registry.host, repository: "none" }).tags()).rejects.toMatchObject({ code: "REGISTRY_NOT_FOUND" });
  });
});

describeWithTools(["docker-registry", "openssl"], "docker-registry with a token server", () => {
  it("Bearer: asks for a token by scope, once each, and not for ever", async () => {
    const server = await startTokenServer(folder.path);
    await using registry = await startDockerRegistry(join(folder.path, "registry"), {
      kind: "token",
      realm: `${server.url}/token`,
      service: "varve-test",
      issuer: "varve",
      certificate: server.certificate,
    });
    await using _ = { [Symbol.asyncDispose]: () => server.close() };
    {
      await using client = createRegistryClient({ credentials: ALICE, retry: QUICK });
      await roundTrip(client, registry.host);
    }
    const scopes = server.asked.map((url) => url.searchParams.getAll("scope").toSorted().join(" "));
    expect(scopes.length).toBe(new Set(scopes).size);
    expect(scopes.toSorted()).toEqual([
      "repository:team/app:pull",
      "repository:team/app:pull repository:team/other:pull,push",
      "repository:team/app:pull,push",
      "repository:team/other:pull",
      "repository:team/other:pull,push",
    ]);
    // tokens that are over when they come: one is asked for, and found useless
    server.lifetime = -120;
    {
      await using client = createRegistryClient({ credentials: ALICE, retry: QUICK });
      const failing = client.repository({ registry: registry.host, repository: "team/app" }).resolve("v1");
      await expect(failing).rejects.toMatchObject({ code: "REGISTRY_UNAUTHORIZED" });
      expect(server.asked.length).toBe(scopes.length + 1);
    }
    server.lifetime = 60;
    await using anonymous = createRegistryClient({ retry: QUICK });
    await expect(anonymous.repository({ registry: registry.host, repository: "team/app" }).resolve("v1")).rejects.toMatchObject({
      code: "REGISTRY_UNAUTHORIZED",
      hint: expect.stringContaining("docker login"),
    });
  });
});

interface TokenServer {
  readonly url: string;
  readonly certificate: string;
  readonly asked: readonly URL[];
  /** Seconds a token lives. */
  lifetime: number;
  close(): Promise<void>;
}

/** Issues to alice what she asks for, signed as docker-registry wants it. */
async function startTokenServer(at: string): Promise<TokenServer> {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const key = join(at, "key.pem");
  await writeFile(key, privateKey.export({ type: "pkcs8", format: "pem" }));
  const { stdout: certificate } = await promisify(execFile)("openssl", ["req", "-x509", "-key", key, "-subj", "/CN=varve", "-days", "2"]);
  const asked: URL[] = [];
  const state = { lifetime: 60 };
  const token = (scopes: readonly string[]): string => {
    const now = Math.floor(Date.now() / 1000);
    const access = scopes.map((scope) => {
      const [type, name, actions] = scope.split(":");
      return { type, name, actions: actions?.split(",") };
    });
    const der = certificate.replaceAll(/-----[^-]+-----|\s/g, "");
    const claims = {
      iss: "varve",
      sub: "alice",
      aud: "varve-test",
      iat: now,
      nbf: now - 120,
      exp: now + state.lifetime,
      jti: createHash("sha256").update(String(asked.length)).digest("hex"),
      access,
    };
    const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
    const text = `${encode({ alg: "RS256", typ: "JWT", x5c: [der] })}.${encode(claims)}`;
    return `${text}.${createSign("RSA-SHA256").update(text).sign(privateKey).toString("base64url")}`;
  };
  const server = createServer((request: IncomingMessage, response) => {
    const url = new URL(request.url ?? "", "http://token");
    asked.push(url);
    if (request.headers.authorization !== `Basic ${Buffer.from("alice:wonderland").toString("base64")}`) {
      response.writeHead(401).end(JSON.stringify({ details: "who are you?" }));
      return;
    }
    response.end(JSON.stringify({ token: token(url.searchParams.getAll("scope")), expires_in: 60 }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    certificate,
    asked,
    get lifetime() {
      return state.lifetime;
    },
    set lifetime(seconds) {
      state.lifetime = seconds;
    },
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
