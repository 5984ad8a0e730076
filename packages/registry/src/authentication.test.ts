import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import {
  createServedSpace,
  type FaultProxy,
  pushImage,
  QUICK,
  randomImage,
  readAll,
  type ServedSpace,
  startFaultProxy,
  type TestImage,
} from "@varve/testkit/registry";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Credentials } from "./client.ts";
import { createRegistryClient } from "./registry-client.ts";

let space: ServedSpace;
let proxy: FaultProxy;
let tokens: TokenServer;
let image: TestImage;

beforeAll(async () => {
  space = await createServedSpace();
  proxy = await startFaultProxy(space.host);
  image = randomImage(1000);
  await using client = createRegistryClient();
  await pushImage(client.repository({ registry: space.host, repository: "team/app" }), image, "v1");
});
afterAll(async () => {
  await proxy[Symbol.asyncDispose]();
  await space[Symbol.asyncDispose]();
});
beforeEach(async () => {
  tokens = await startTokenServer();
  proxy.forget();
  // a registry that takes the token issued last, for as long as it is valid
  proxy.inject(({ headers }) => {
    if (headers.authorization === `Bearer ${tokens.current}`) return undefined;
    return { kind: "answer", status: 401, headers: { "www-authenticate": `Bearer realm="${tokens.realm}",service="the registry"${tokens.scope}` } };
  });
});
afterEach(() => tokens.close());

async function resolve(credentials?: Credentials, options: object = {}): Promise<unknown> {
  await using client = createRegistryClient({ retry: QUICK, ...(credentials === undefined ? {} : { credentials: async () => credentials }), ...options });
  return await client
    .repository({ registry: proxy.host, repository: "team/app" })
    .resolve("v1")
    .catch((error: unknown) => error);
}

describe("Bearer", () => {
  it("asks anonymously, with the service and the scope", async () => {
    expect(await resolve()).toEqual(image.manifest.descriptor);
    expect(tokens.asked.map(({ method, url, authorization }) => [method, url, authorization])).toEqual([
      ["GET", "/token?service=the+registry&scope=repository%3Ateam%2Fapp%3Apull", undefined],
    ]);
  });

  it("asks with Basic, and the realm's own query stays", async () => {
    tokens.realm += "?tenant=a%20b";
    expect(await resolve({ kind: "basic", username: "alice", password: "p:ä" })).toEqual(image.manifest.descriptor);
    expect(tokens.asked[0]?.authorization).toBe(`Basic ${Buffer.from("alice:p:ä").toString("base64")}`);
    expect(new URL(tokens.asked[0]?.url ?? "", "http://x").searchParams.getAll("tenant")).toEqual(["a b"]);
    expect(proxy.seen.every(({ headers }) => headers.authorization?.startsWith("Basic") !== true)).toBe(true);
  });

  it("trades an identity token by OAuth2", async () => {
    expect(await resolve({ kind: "identity-token", token: "refresh&me" })).toEqual(image.manifest.descriptor);
    const [asked] = tokens.asked;
    expect(asked?.method).toBe("POST");
    expect(Object.fromEntries(new URLSearchParams(asked?.body))).toEqual({
      grant_type: "refresh_token",
      client_id: "varve",
      refresh_token: "refresh&me",
      service: "the registry",
      scope: "repository:team/app:pull",
    });
  });

  it("sends a registry token as it is", async () => {
    tokens.current = "given";
    expect(await resolve({ kind: "bearer", token: "given" })).toEqual(image.manifest.descriptor);
    expect(tokens.asked).toEqual([]);
  });

  it("asks for the scope the registry wants, too", async () => {
    tokens.scope = ',scope="repository:team/app:pull registry:catalog:*"';
    expect(await resolve()).toEqual(image.manifest.descriptor);
    expect(new URL(tokens.asked[0]?.url ?? "", "http://x").searchParams.getAll("scope")).toEqual(["repository:team/app:pull", "registry:catalog:*"]);
  });

  it("keeps a token, renews one that was refused once, and replays the request", async () => {
    await using client = createRegistryClient({ retry: QUICK });
    const repository = client.repository({ registry: proxy.host, repository: "team/app" });
    await Promise.all(Array.from({ length: 5 }, () => repository.resolve("v1")));
    expect(tokens.asked.length).toBe(1);
    tokens.current = "revoked";
    await Promise.all(Array.from({ length: 5 }, () => repository.resolve("v1")));
    expect(tokens.asked.length).toBe(2);
    tokens.current = "revoked again";
    const layer = image.blobs[1]!;
    expect(Buffer.compare(await readAll(await repository.fetch(layer.descriptor)), layer.bytes)).toBe(0);
    expect(tokens.asked.length).toBe(3);
  });

  it("does not use a token until it ends", async () => {
    tokens.expiresIn = 0.001;
    await using client = createRegistryClient({ retry: QUICK });
    const repository = client.repository({ registry: proxy.host, repository: "team/app" });
    await repository.resolve("v1");
    await new Promise((done) => setTimeout(done, 5));
    const before = proxy.seen.length;
    await repository.resolve("v1");
    // renewed before the registry had to say so
    expect(proxy.seen.length).toBe(before + 1);
    expect(tokens.asked.length).toBe(2);
  });

  it("gives up when a new token is refused as well", async () => {
    tokens.isUseless = true;
    expect(await resolve()).toMatchObject({
      code: "REGISTRY_UNAUTHORIZED",
      message: expect.stringContaining("team/app:v1"),
      hint: expect.stringContaining("docker login"),
    });
    expect(tokens.asked.length).toBe(1);
    expect(await resolve({ kind: "basic", username: "a", password: "secret" })).toMatchObject({
      code: "REGISTRY_UNAUTHORIZED",
      message: expect.stringContaining("refused the credentials"),
    });
  });

  it("passes what it must keep secret on, and says nothing of it", async () => {
    const secrets: string[] = [];
    tokens.isUseless = true;
    const error = await resolve({ kind: "basic", username: "alice", password: "open sesame" }, { onSecret: (secret: string) => secrets.push(secret) });
    expect(secrets).toEqual(["open sesame", Buffer.from("alice:open sesame").toString("base64"), expect.stringMatching(/^token/)]);
    const text = describeWhole(error);
    for (const secret of secrets) expect(text).not.toContain(secret);
  });

  it.each<[string, (response: ServerResponse) => void, string]>([
    ["401", (response) => response.writeHead(401).end('{"details":"no"}'), "REGISTRY_UNAUTHORIZED"],
    ["403", (response) => response.writeHead(403).end(), "REGISTRY_UNAUTHORIZED"],
    ["404", (response) => response.writeHead(404).end(), "REGISTRY_PROTOCOL"],
    ["no JSON", (response) => response.end("token"), "REGISTRY_PROTOCOL"],
    ["no token", (response) => response.end("{}"), "REGISTRY_PROTOCOL"],
    ["a token that would end its header", (response) => response.end('{"token":"a\\r\\nx: y"}'), "REGISTRY_PROTOCOL"],
    ["a token without end", (response) => response.end(JSON.stringify({ token: "x".repeat(1024 * 1024) })), "REGISTRY_TOO_LARGE"],
    ["503 for ever", (response) => response.writeHead(503).end(), "REGISTRY_UNAVAILABLE"],
  ])("fails on a token server that answers %s", async (_, answer, code) => {
    tokens.answer = answer;
    expect(await resolve()).toMatchObject({ code });
  });

  it("outlives a token server that is busy", async () => {
    let times = 0;
    const { answer } = tokens;
    tokens.answer = (response) => (times++ < 2 ? response.writeHead(503).end() : answer(response));
    expect(await resolve()).toEqual(image.manifest.descriptor);
  });

  it("stops waiting for a token when aborted, and others go on", async () => {
    await using client = createRegistryClient({ retry: QUICK });
    const repository = client.repository({ registry: proxy.host, repository: "team/app" });
    const controller = new AbortController();
    const { answer } = tokens;
    const arrived = new Promise<() => void>((ready) => (tokens.answer = (response) => ready(() => answer(response))));
    const aborted = repository.resolve("v1", { signal: controller.signal });
    const waiting = repository.resolve("v1");
    const release = await arrived;
    const reason = new Error("enough");
    controller.abort(reason);
    await expect(aborted).rejects.toBe(reason);
    release();
    expect(await waiting).toEqual(image.manifest.descriptor);
  });

  it("that doesn't reach the repository to mount from is no failure", async () => {
    const { answer } = tokens;
    tokens.answer = (response) => (tokens.asked.at(-1)?.url.includes("secret") === true ? response.writeHead(403).end() : answer(response));
    await using client = createRegistryClient({ retry: QUICK });
    const repository = client.repository({ registry: proxy.host, repository: "team/app" });
    expect(await repository.mount(image.blobs[0]!.descriptor, "team/secret")).toBe(false);
    expect(await repository.mount(image.blobs[0]!.descriptor, "team/other")).toBe(true);
  });

  it.each(["ftp://x/token", "", "http://10.0.0.1/token"])("does not take credentials to the realm %j", async (realm) => {
    tokens.realm = realm;
    expect(await resolve({ kind: "basic", username: "a", password: "secret" })).toMatchObject({
      code: expect.stringMatching(/REGISTRY_(PROTOCOL|UNSAFE_REDIRECT)/),
    });
  });
});

describe("other schemes", () => {
  it.each(["Negotiate", 'Digest realm="x", nonce="y"', ""])("%j is named", async (challenge) => {
    proxy.inject(() => ({ kind: "answer", status: 401, headers: { "www-authenticate": challenge } }));
    expect(await resolve()).toMatchObject({ code: "REGISTRY_UNAUTHORIZED", hint: expect.stringContaining("Basic and Bearer") });
  });

  it("Basic is sent only once it was asked for", async () => {
    const authorization = `Basic ${Buffer.from("a:b").toString("base64")}`;
    proxy.inject(({ headers }) =>
      headers.authorization === authorization ? undefined : { kind: "answer", status: 401, headers: { "www-authenticate": 'Basic realm="x"' } },
    );
    expect(await resolve({ kind: "basic", username: "a", password: "b" })).toEqual(image.manifest.descriptor);
    expect(proxy.seen.map(({ method, headers }) => [method, headers.authorization])).toEqual([
      ["GET", undefined],
      ["HEAD", undefined],
      ["HEAD", authorization],
    ]);
  });

  it("an identity token is of no use with Basic", async () => {
    proxy.inject(() => ({ kind: "answer", status: 401, headers: { "www-authenticate": "Basic" } }));
    expect(await resolve({ kind: "identity-token", token: "x" })).toMatchObject({
      code: "REGISTRY_UNAUTHORIZED",
      details: [expect.stringContaining("identity token")],
    });
  });
});

describe("a redirect to another origin", () => {
  it("sees no credentials, and gives blobs by Range when it breaks", async () => {
    const layer = image.blobs[1]!;
    await using other = await startFaultProxy(space.host);
    let cuts = 0;
    other.inject(() => (cuts++ === 0 ? { kind: "cut-answer", after: 100 } : undefined));
    proxy.inject(({ path, headers, method }) => {
      if (headers.authorization !== `Bearer ${tokens.current}`)
        return { kind: "answer", status: 401, headers: { "www-authenticate": `Bearer realm="${tokens.realm}"` } };
      return method === "GET" && path.includes("/blobs/")
        ? { kind: "answer", status: 307, headers: { location: `http://${other.host}${path}?X-Signature=hush` } }
        : undefined;
    });
    await using client = createRegistryClient({ retry: QUICK, credentials: async () => ({ kind: "basic", username: "a", password: "b" }) });
    const repository = client.repository({ registry: proxy.host, repository: "team/app" });
    expect(Buffer.compare(await readAll(await repository.fetch(layer.descriptor)), layer.bytes)).toBe(0);
    expect(other.seen.map(({ headers }) => [headers.authorization, headers.cookie, headers.range])).toEqual([
      [undefined, undefined, undefined],
      [undefined, undefined, "bytes=100-"],
    ]);
    other.inject(() => ({ kind: "answer", status: 403, body: "<Error>signature</Error>" }));
    const error: unknown = await repository.fetch(layer.descriptor).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "REGISTRY_DENIED" });
    expect(describeWhole(error)).not.toContain("hush");
  });
});

describe("one signal for many requests", () => {
  it("warns of nothing, and ends them all", async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error): void => void warnings.push(warning);
    process.on("warning", onWarning);
    const controller = new AbortController();
    await using client = createRegistryClient({ retry: QUICK });
    const repository = client.repository({ registry: space.host, repository: "team/app" });
    for (let i = 0; i < 3; i++) await Promise.all(Array.from({ length: 30 }, () => repository.resolve("v1", { signal: controller.signal })));
    const reason = new Error("enough");
    const ended = Array.from({ length: 30 }, () => repository.resolve("v1", { signal: controller.signal }));
    controller.abort(reason);
    expect(await Promise.allSettled(ended)).toEqual(ended.map(() => ({ status: "rejected", reason })));
    process.off("warning", onWarning);
    expect(warnings).toEqual([]);
  });
});

/** Everything an error could show. */
function describeWhole(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return `${String(error)} ${error.stack} ${JSON.stringify(error)} ${describeWhole(error.cause)}`;
}

interface TokenServer {
  realm: string;
  /** The rest of the challenge. */
  scope: string;
  /** What the registry takes. */
  current: string;
  expiresIn: number;
  /** Tokens that are issued are not those the registry takes. */
  isUseless: boolean;
  answer: (response: ServerResponse) => void;
  readonly asked: { readonly method: string; readonly url: string; readonly authorization: string | undefined; readonly body: string }[];
  close(): Promise<void>;
}

async function startTokenServer(): Promise<TokenServer> {
  let count = 0;
  const server = createServer((request: IncomingMessage, response) => {
    let body = "";
    request.on("data", (piece) => (body += String(piece)));
    request.on("end", () => {
      state.asked.push({ method: request.method ?? "", url: request.url ?? "", authorization: request.headers.authorization, body });
      state.answer(response);
    });
  });
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  const state: TokenServer = {
    realm: `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`,
    scope: "",
    current: "",
    expiresIn: 300,
    isUseless: false,
    asked: [],
    answer: (response) => {
      const token = `token${++count}`;
      if (!state.isUseless) state.current = token;
      response.end(JSON.stringify({ access_token: token, expires_in: state.expiresIn }));
    },
    close: async () => {
      const closed = new Promise<void>((done) => server.close(() => done()));
      server.closeAllConnections();
      await closed;
    },
  };
  return state;
}
